namespace NativeQuant.Models;

/// <summary>
/// Cosines and sines of a <see cref="RotaryDescription"/>, computed in f64 and stored in f32, for as many positions as a session has
/// needed so far. Shared by the sessions of a model; thread-safe. A table once given out stays valid until the model is disposed.
/// </summary>
internal sealed class RotaryTables : IDisposable
{
    private const int SmallestLength = 1024;
    private readonly Device _device;
    private readonly double[] _frequencies;
    private readonly int _contextLength;
    private readonly Lock _gate = new();
    private readonly List<DeviceBuffer> _buffers = [];
    private Table _largest;

    public RotaryTables(Device device, RotaryDescription rotary, int contextLength)
    {
        _device = device;
        _frequencies = rotary.Frequencies();
        _contextLength = contextLength;
    }

    /// <summary>Tables [positions, HeadDim / 2] for at least <paramref name="positions"/> positions.</summary>
    public Table Get(int positions)
    {
        lock (_gate)
        {
            if (_largest.Positions < positions)
            {
                // Doubling, so that the superseded tables together are no larger than the current one.
                _largest = Create(Math.Max(positions, Math.Min(_contextLength, Math.Max(SmallestLength, 2 * _largest.Positions))));
            }
            return _largest;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _buffers.ForEach(static buffer => buffer.Dispose());
        }
    }

    private Table Create(int positions)
    {
        int half = _frequencies.Length;
        long tableBytes = (long)positions * half * sizeof(float);
        var buffer = new DeviceBuffer(_device, 2 * tableBytes);
        _buffers.Add(buffer);
        float[] cosine = new float[half];
        float[] sine = new float[half];
        for (int position = 0; position < positions; position++)
        {
            for (int i = 0; i < half; i++)
            {
                (double s, double c) = Math.SinCos(position * _frequencies[i]);
                cosine[i] = (float)c;
                sine[i] = (float)s;
            }
            long offset = (long)position * half * sizeof(float);
            buffer.Write<float>(cosine, offset);
            buffer.Write<float>(sine, tableBytes + offset);
        }
        return new Table(positions, buffer.View(DataType.Float32, positions, half), buffer.View(DataType.Float32, positions, half, tableBytes));
    }

    /// <summary>Cosine and sine [Positions, HeadDim / 2], f32.</summary>
    public readonly record struct Table(int Positions, TensorView Cosine, TensorView Sine);
}

using BenchmarkDotNet.Attributes;

namespace NativeQuant.Benchmarks;

/// <summary>Linear layers for one token: small shows the cost of the call, large that of the arithmetic.</summary>
public class LinearBenchmarks
{
    private Device _device = null!;
    private DeviceBuffer _x = null!;
    private DeviceBuffer _y = null!;
    private Linear _nf4 = null!;
    private Linear _int8 = null!;
    private Linear _dense = null!;
    private TensorView _input;
    private TensorView _output;

    /// <summary>Input and output features.</summary>
    [Params(64, 2048)]
    public int Features { get; set; }

    /// <summary>Makes the layers.</summary>
    [GlobalSetup]
    public void Open()
    {
        var random = new Random(1);
        float[] weights = [.. Enumerable.Range(0, Features * Features).Select(_ => (float)(random.NextDouble() - 0.5))];
        _device = Device.Open();
        _x = DeviceBuffer.From<float>(_device, weights.AsSpan(0, Features));
        _y = new DeviceBuffer(_device, Features * sizeof(float));
        _input = _x.View(DataType.Float32, 1, Features);
        _output = _y.View(DataType.Float32, 1, Features);
        _nf4 = new Linear4Bit(Matrix4Bit.Quantize(_device, weights, Features, Features, QuantType.NF4, doubleQuant: true), null);
        _int8 = new Linear8Bit(Matrix8Bit.Quantize(_device, weights, Features, Features), null);
        _dense = new DenseLinear(DenseMatrix.Create(_device, weights, Features, Features), null);
    }

    /// <summary>Gives everything back.</summary>
    [GlobalCleanup]
    public void Close()
    {
        foreach (IDisposable disposable in (IDisposable[])[_nf4, _int8, _dense, _x, _y, _device])
        {
            disposable.Dispose();
        }
    }

    /// <summary>NF4 with double quantization.</summary>
    [Benchmark]
    public void Linear4BitForward() => _nf4.Forward(_input, _output);

    /// <summary>LLM.int8().</summary>
    [Benchmark]
    public void Linear8BitForward() => _int8.Forward(_input, _output);

    /// <summary>float32.</summary>
    [Benchmark]
    public void DenseForward() => _dense.Forward(_input, _output);
}

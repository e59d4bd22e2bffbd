using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>
/// Brings the weights of a checkpoint onto a device one tensor at a time: checked against the shape that config.json calls for, quantized
/// straight from the mapped file where the plan says so, and the pages of the file given back before the next. One thread.
/// </summary>
/// <remarks>Owns what it has loaded until <see cref="Finish"/>; disposing it before releases everything.</remarks>
internal sealed class WeightLoader : IDisposable
{
    private const int Blocksize = 64; // transformers has no setting for it

    // Codes of prequantized weights pass through managed memory. Left to itself the collector lets such copies pile up.
    private const long MostGarbageBytes = 16L << 20;

    private readonly Checkpoint _checkpoint;
    private readonly Device _device;
    private readonly QuantizationPlan _plan;
    private readonly DataType? _dataType;
    private readonly bool _int8Head;
    private readonly IProgress<LoadProgress>? _progress;
    private readonly CancellationToken _cancellationToken;
    private readonly HashSet<string> _consumed = new(StringComparer.Ordinal);
    private readonly long _totalBytes;
    private List<ModelWeight> _weights = [];
    private long _completedBytes;
    private long _garbageBytes;

    public WeightLoader(Checkpoint checkpoint, Device device, QuantizationPlan plan, LoadOptions options, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        _checkpoint = checkpoint;
        _device = device;
        _plan = plan;
        _dataType = options.DataType;
        _int8Head = options.Int8Head;
        _progress = progress;
        _cancellationToken = cancellationToken;
        _totalBytes = checkpoint.Tensors.Sum(static tensor => tensor.ByteLength);
    }

    /// <summary>Most anonymous memory of the process seen after a tensor; null where unknown.</summary>
    public long? PeakProcessBytes { get; private set; } = ProcessMemory.AnonymousBytes();

    /// <summary>An embedding table [rows, columns], never quantized.</summary>
    public DenseMatrix Embedding(string name, int rows, int columns) => Dense(Find(name, [rows, columns]));

    /// <summary>A vector [1, length].</summary>
    public TensorView Vector(string name, int length)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        CheckpointTensor tensor = Find(name, [length]);
        DataType dataType = _dataType ?? FloatType(tensor);
        // Through a matrix, because conversion between types is the native library's.
        using DenseMatrix converted = DenseMatrix.Create(_device, tensor.AsHostTensor(), dataType);
        var buffer = new DeviceBuffer(_device, (long)length * dataType.ByteSize());
        TensorView vector = buffer.View(dataType, 1, length);
        _weights.Add(new ModelWeight(name, vector));
        converted.Dequantize(vector);
        Consume(tensor);
        return vector;
    }

    /// <summary>A linear module: quantized if its state is in the checkpoint or if the plan says so.</summary>
    public Linear Linear(string module, int outFeatures, int inFeatures, bool bias)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        string name = module + ".weight";
        long[] shape = [outFeatures, inFeatures];
        if (!_checkpoint.TryGet(name, out _))
        {
            throw ModelErrors.MissingTensor(_checkpoint.Folder, name, shape);
        }
        Matrix? matrix = PrequantizedWeights.Read(_checkpoint, _device, module, outFeatures, inFeatures);
        if (matrix is not null)
        {
            _weights.Add(new ModelWeight(name, matrix));
            _plan.CheckStored(matrix);
            foreach (string part in PrequantizedWeights.TensorNames(module))
            {
                if (_checkpoint.TryGet(part, out CheckpointTensor? tensor))
                {
                    Consume(tensor);
                    _garbageBytes += tensor.ByteLength;
                }
            }
            CollectCopies();
        }
        else
        {
            CheckpointTensor tensor = Find(name, shape);
            matrix = _plan.Quantizes(module) ? Quantize(tensor) : Dense(tensor);
        }
        TensorView? biasView = bias ? Vector(module + ".bias", outFeatures) : null;
        return matrix switch
        {
            Matrix4Bit weight => new Linear4Bit(weight, biasView, _plan.ComputeType4Bit),
            Matrix8Bit weight => new Linear8Bit(weight, biasView, _plan.Effective!.LlmInt8Threshold),
            _ => new DenseLinear((DenseMatrix)matrix, biasView),
        };
    }

    /// <summary>An output head with weights of its own: as <see cref="Linear"/>, but in int8 where the options ask for that and nothing else quantizes it.</summary>
    public Linear Head(string module, int outFeatures, int inFeatures)
    {
        if (!_int8Head || _plan.Quantizes(module) || PrequantizedWeights.Holds(_checkpoint, module))
        {
            return Linear(module, outFeatures, inFeatures, bias: false);
        }
        _cancellationToken.ThrowIfCancellationRequested();
        CheckpointTensor tensor = Find(module + ".weight", [outFeatures, inFeatures]);
        DataType savedType = _dataType ?? FloatType(tensor);
        Matrix8Bit matrix = Quantize(tensor, static (device, source) => Matrix8Bit.Quantize(device, source));
        _weights.Add(new ModelWeight(tensor.Name, matrix) { SavedFromCheckpointAs = savedType });
        Consume(tensor);
        return new Linear8Bit(matrix, null, _plan.Int8Threshold);
    }

    /// <summary>An output head that is the embedding matrix, or an int8 copy of it. A copy of it in the checkpoint is passed over.</summary>
    public Linear TiedHead(string module, string embeddingName, DenseMatrix embedding)
    {
        if (_checkpoint.TryGet(module + ".weight", out CheckpointTensor? copy))
        {
            Consume(copy);
        }
        if (!_int8Head)
        {
            return new DenseLinear(embedding, null);
        }
        CheckpointTensor tensor = Find(embeddingName, [embedding.Rows, embedding.Columns]);
        Matrix8Bit matrix = Quantize(tensor, static (device, source) => Matrix8Bit.Quantize(device, source));
        _weights.Add(new ModelWeight(module + ".weight", matrix) { IsCopy = true });
        _checkpoint.Release(tensor);
        return new Linear8Bit(matrix, null, _plan.Int8Threshold);
    }

    /// <summary>Hands the weights over.</summary>
    /// <exception cref="CheckpointException">The checkpoint holds tensors that nothing asked for.</exception>
    public IReadOnlyList<ModelWeight> Finish()
    {
        string[] unexpected = [.. _checkpoint.Names.Where(name => !_consumed.Contains(name) && !IsDerived(name))];
        if (unexpected.Length > 0)
        {
            throw ModelErrors.UnexpectedTensors(_checkpoint.Folder, unexpected);
        }
        IReadOnlyList<ModelWeight> weights = _weights;
        _weights = [];
        return weights;
    }

    public void Dispose() => _weights.ForEach(static weight => weight.Dispose());

    // Old checkpoints carry the rotary frequencies, which follow from config.json.
    private static bool IsDerived(string name) => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal);

    private DenseMatrix Dense(CheckpointTensor tensor)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        DenseMatrix matrix = DenseMatrix.Create(_device, tensor.AsHostTensor(), _dataType ?? FloatType(tensor));
        _weights.Add(new ModelWeight(tensor.Name, matrix));
        Consume(tensor);
        return matrix;
    }

    private Matrix Quantize(CheckpointTensor tensor)
    {
        FloatType(tensor);
        QuantizationConfig config = _plan.Effective!;
        Matrix matrix = config.LoadIn4Bit
            ? Quantize(tensor, (device, source) => Matrix4Bit.Quantize(device, source, config.Bnb4BitQuantType, Blocksize, config.Bnb4BitUseDoubleQuant))
            : Quantize(tensor, static (device, source) => Matrix8Bit.Quantize(device, source));
        _weights.Add(new ModelWeight(tensor.Name, matrix));
        Consume(tensor);
        return matrix;
    }

    private T Quantize<T>(CheckpointTensor tensor, Func<Device, HostTensor, T> quantize)
    {
        try
        {
            return quantize(_device, tensor.AsHostTensor());
        }
        catch (InvalidWeightsException cause)
        {
            throw ModelErrors.InvalidWeights(_checkpoint.Folder, tensor.Name, cause);
        }
    }

    private void CollectCopies()
    {
        if (_garbageBytes > MostGarbageBytes)
        {
            GC.Collect();
            _garbageBytes = 0;
        }
    }

    private CheckpointTensor Find(string name, long[] shape)
    {
        if (!_checkpoint.TryGet(name, out CheckpointTensor? tensor))
        {
            throw ModelErrors.MissingTensor(_checkpoint.Folder, name, shape);
        }
        return tensor.Shape.SequenceEqual(shape) ? tensor : throw ModelErrors.WrongShape(_checkpoint.Folder, name, shape, tensor.Shape);
    }

    private DataType FloatType(CheckpointTensor tensor) =>
        tensor.DataType is DataType.Float32 or DataType.Float16 or DataType.BFloat16
            ? tensor.DataType.Value
            : throw ModelErrors.WrongElementType(_checkpoint.Folder, tensor.Name, "F32, F16 or BF16", tensor.ElementType);

    private void Consume(CheckpointTensor tensor)
    {
        // Before the pages go: the sample must see the largest moment.
        if (ProcessMemory.AnonymousBytes() is long bytes && bytes > PeakProcessBytes)
        {
            PeakProcessBytes = bytes;
        }
        _checkpoint.Release(tensor);
        _consumed.Add(tensor.Name);
        _completedBytes += tensor.ByteLength;
        _progress?.Report(new LoadProgress(_completedBytes, _totalBytes, _consumed.Count, _checkpoint.Names.Count, tensor.Name));
    }
}

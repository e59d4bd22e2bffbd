namespace NativeQuant.Tests;

// What runs once per token allocates no managed memory.
[TestFixture]
public class AllocationTests
{
    private const int Features = 64;

    private Device _device = null!;
    private DeviceTensors _tensors = null!;

    [SetUp]
    public void Open()
    {
        _device = Device.Open();
        _tensors = new DeviceTensors(_device);
    }

    [TearDown]
    public void Close()
    {
        _tensors.Dispose();
        _device.Dispose();
    }

    [Test]
    public void Linear_layers_allocate_nothing()
    {
        float[] weights = RandomValues.Normal(Features * Features, 1);
        TensorView x = Tensor();
        TensorView y = Tensor();
        Linear[] layers =
        [
            new DenseLinear(DenseMatrix.Create(_device, weights, Features, Features), Tensor()),
            new Linear4Bit(Matrix4Bit.Quantize(_device, weights, Features, Features, QuantType.NF4), Tensor()),
            new Linear8Bit(Matrix8Bit.Quantize(_device, weights, Features, Features), Tensor()),
        ];
        foreach (Linear layer in layers)
        {
            using (layer)
            {
                AssertAllocatesNothing(() => layer.Forward(x, y));
                AssertAllocatesNothing(() => layer.ForwardAdd(x, y));
            }
        }
    }

    [Test]
    public void Groups_of_linear_layers_allocate_nothing()
    {
        float[] weights = RandomValues.Normal(Features * Features, 1);
        TensorView x = Tensor();
        TensorView y = Tensor();
        TensorView z = Tensor();
        using Linear4Bit four = new(Matrix4Bit.Quantize(_device, weights, Features, Features, QuantType.NF4), Tensor());
        using Linear8Bit eight = new(Matrix8Bit.Quantize(_device, weights, Features, Features), Tensor());
        AssertAllocatesNothing(() => Linear.ForwardGroup([four, eight], x, [y, z]));
        AssertAllocatesNothing(() => Linear.ForwardGatedSilu(four, eight, x, y, z));
    }

    [Test]
    public void Transformer_operations_allocate_nothing()
    {
        TensorView x = Tensor();
        TensorView y = Tensor();
        TensorView ids = _tensors.From<uint>([0], DataType.UInt32, 1, 1);
        TensorView cosine = _tensors.New(DataType.Float32, 4, 8);
        TensorView one = _tensors.New(DataType.Float32, 1, 1);
        using DenseMatrix table = DenseMatrix.Create(_device, RandomValues.Normal(4 * Features, 1), 4, Features);
        using var cache = new KvCache(_device, layers: 1, kvHeads: 4, headDim: 16, capacity: 1_000_000);
        AssertAllocatesNothing(() => Operations.Embedding(table, ids, x));
        AssertAllocatesNothing(() => Operations.RmsNorm(x, y, 1e-5f, y));
        AssertAllocatesNothing(() => Operations.Rotary(x, 16, ids, cosine, cosine));
        AssertAllocatesNothing(() => Operations.GatedSilu(x, x, y));
        AssertAllocatesNothing(() => Operations.ResidualAdd(x, y));
        AssertAllocatesNothing(() => Operations.LogSoftmax(x, y));
        AssertAllocatesNothing(() => Operations.TokenLogProbability(x, ids, one));
        AssertAllocatesNothing(() => cache.Append(0, x, x));
        AssertAllocatesNothing(() => Operations.Attention(cache, 0, x, 0.25f, 0, y));
        AssertAllocatesNothing(() => cache.Truncate(cache.Length() - 1));
    }

    [Test]
    public void Views_and_copies_allocate_nothing()
    {
        TensorView x = Tensor();
        var values = new float[Features];
        long sum = 0;
        AssertAllocatesNothing(() => sum += x.SliceColumns(1, 8).Reshape(2, 4).SliceRows(1, 1).ByteOffset);
        AssertAllocatesNothing(() => sum += x.Buffer.View(DataType.Float32, 1, Features).Columns);
        AssertAllocatesNothing(() => x.Buffer.Read<float>(values));
        AssertAllocatesNothing(() => x.Buffer.Write<float>(values));
        Assert.That(sum, Is.Positive);
    }

    private static void AssertAllocatesNothing(Action action)
    {
        action();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
        {
            action();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero, "bytes allocated by 50 calls");
    }

    private TensorView Tensor() => _tensors.From<float>(RandomValues.Normal(Features, 3), DataType.Float32, 1, Features);
}

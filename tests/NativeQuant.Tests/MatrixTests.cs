using NativeQuant.Tests.Golden;

namespace NativeQuant.Tests;

[TestFixture]
public class MatrixTests
{
    public static IEnumerable<TestCaseData> Storages() =>
        from implementation in Implementations.Supported
        from type in new[] { QuantType.NF4, QuantType.FP4 }
        from doubleQuant in new[] { false, true }
        from shape in new[] { (1, 1), (3, 5), (17, 63), (33, 257), (2, 4096) }
        from blocksize in new[] { 32, 64, 4096 }
        select new TestCaseData(implementation, type, doubleQuant, shape.Item1, shape.Item2, blocksize);

    [TestCaseSource(nameof(Storages))]
    public void A_4_bit_matrix_exports_what_it_imported(string implementation, QuantType type, bool doubleQuant, int rows, int columns, int blocksize)
    {
        using Device device = Implementations.Open(implementation);
        using Matrix4Bit matrix = Matrix4Bit.Quantize(device, RandomValues.Normal(rows * columns, 1), rows, columns, type, blocksize, doubleQuant);
        Matrix4BitStorage storage = matrix.Export();
        Assert.That(storage.Packed, Has.Length.EqualTo(((rows * columns) + 1) / 2));
        using Matrix4Bit copy = Matrix4Bit.Import(device, storage);
        CheckpointCheck.AssertSame(storage, copy.Export());
        Assert.That((copy.QuantType, copy.Blocksize, copy.NestedBlocksize), Is.EqualTo((type, blocksize, doubleQuant ? 256 : 0)));
        Assert.That(copy.StorageBytes, Is.EqualTo(StorageBytes(storage)));
        Assert.That(copy.ResidentBytes, Is.GreaterThanOrEqualTo(storage.Packed.Length));
    }

    [TestCaseSource(typeof(Implementations), nameof(Implementations.Supported))]
    public void An_8_bit_matrix_exports_what_it_imported(string implementation)
    {
        const int rows = 19, columns = 67;
        using Device device = Implementations.Open(implementation);
        var random = new Random(1);
        sbyte[] codes = [.. Enumerable.Range(0, rows * columns).Select(_ => (sbyte)random.Next(-127, 128))];
        float[] absmax = RandomValues.Normal(rows, 2);
        using Matrix8Bit matrix = Matrix8Bit.Import(device, rows, columns, DataType.BFloat16, codes, absmax);
        var codesBack = new sbyte[rows * columns];
        var absmaxBack = new float[rows];
        matrix.Export(codesBack, absmaxBack);
        Assert.That(codesBack, Is.EqualTo(codes));
        Assert.That(absmaxBack, Is.EqualTo(absmax));
        Assert.That((matrix.Rows, matrix.Columns, matrix.DataType, matrix.StorageBytes), Is.EqualTo((19L, 67L, DataType.BFloat16, (long)((rows * columns) + (rows * 4)))));
        Assert.That(() => matrix.Export(new sbyte[1], absmaxBack), Throws.ArgumentException.With.Message.Contains("1273"));
        Assert.That(() => Matrix8Bit.Import(device, rows, columns, DataType.Float32, codes.AsSpan(1), absmax), Throws.ArgumentException);
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void A_weight_that_is_no_finite_number_is_refused_by_its_index(float bad)
    {
        using Device device = Device.Open();
        float[] weights = RandomValues.Normal(6 * 70, 1);
        weights[137] = bad;
        Assert.That(() => Matrix4Bit.Quantize(device, weights, 6, 70, QuantType.NF4), Throws.TypeOf<InvalidWeightsException>().With.Message.Contains("137"));
        Assert.That(() => Matrix8Bit.Quantize(device, weights, 6, 70), Throws.TypeOf<InvalidWeightsException>());
        Assert.That(() => DenseMatrix.Create(device, weights, 6, 70), Throws.Nothing);
    }

    [Test]
    public void An_unknown_blocksize_or_shape_is_refused()
    {
        using Device device = Device.Open();
        float[] weights = RandomValues.Normal(12, 1);
        Assert.That(() => Matrix4Bit.Quantize(device, weights, 3, 4, QuantType.NF4, 48), Throws.ArgumentException.With.Message.Contains("48"));
        Assert.That(() => Matrix4Bit.Quantize(device, weights, 3, 4, QuantType.NF4, -64), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Matrix4Bit.Quantize(device, weights, 3, 4, (QuantType)7), Throws.ArgumentException);
        Assert.That(() => Matrix4Bit.Quantize(device, weights, 3, 5, QuantType.NF4), Throws.ArgumentException.With.Message.Contains("[3, 5]"));
        Assert.That(() => Matrix4Bit.Quantize(device, weights, 0, 5, QuantType.NF4), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => DenseMatrix.Create(device, weights, 3, 4, DataType.Int8), Throws.ArgumentException);
        Assert.That(() => DenseMatrix.Create(device, default, DataType.Float32), Throws.ArgumentException);
        Assert.That(() => DenseMatrix.Create(null!, weights, 3, 4), Throws.ArgumentNullException);
    }

    [Test]
    public void Storage_whose_arrays_do_not_fit_is_refused_by_name()
    {
        using Device device = Device.Open();
        Assert.That(() => Matrix4Bit.Import(device, null!), Throws.ArgumentNullException);
        AssertRefused(device, Plain(packed: 31), "Packed has 31 elements");
        AssertRefused(device, Plain(absmax: null), "Absmax is missing");
        AssertRefused(device, Plain(absmax: 2), "Absmax has 2 elements");
        AssertRefused(device, Plain(codes: 1), "AbsmaxCodes has 1 elements");
        AssertRefused(device, Plain(blocksize: 0), "blocksize 0");
        AssertRefused(device, Plain(blocksize: 63, absmax: 2), "63");
        AssertRefused(device, Plain(rows: 0), "[0, 16]");
        AssertRefused(device, Plain(rows: long.MaxValue), "Packed");
        using Matrix4Bit accepted = Matrix4Bit.Import(device, Plain());

        static Matrix4BitStorage Plain(long rows = 4, int packed = 32, int blocksize = 64, int? absmax = 1, int? codes = null) => new()
        {
            Rows = rows,
            Columns = 16,
            QuantType = QuantType.NF4,
            DataType = DataType.Float32,
            Blocksize = blocksize,
            Packed = new byte[packed],
            Absmax = absmax is { } values ? new float[values] : null,
            AbsmaxCodes = codes is { } count ? new byte[count] : null,
        };

        static void AssertRefused(Device device, Matrix4BitStorage storage, string reason) =>
            Assert.That(() => Matrix4Bit.Import(device, storage), Throws.ArgumentException.With.Message.Contains(reason));
    }

    [Test]
    public void Host_memory_must_hold_what_it_is_said_to_hold()
    {
        Assert.That(() => new HostTensor(0, 16, DataType.Float32, 2, 2, null), Throws.ArgumentException);
        Assert.That(() => new HostTensor(64, 15, DataType.Float32, 2, 2, null), Throws.ArgumentException.With.Message.Contains("16 bytes"));
        Assert.That(() => new HostTensor(64, 16, DataType.Float32, 2, -2, null), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new HostTensor(64, 0, DataType.Float32, long.MaxValue, long.MaxValue, null), Throws.ArgumentException);
    }

    private static long StorageBytes(Matrix4BitStorage storage) =>
        storage.Packed.Length + (4L * (storage.Absmax?.Length ?? 0)) + (storage.AbsmaxCodes?.Length ?? 0) + (4L * (storage.NestedAbsmax?.Length ?? 0));
}

namespace NativeQuant.Tests;

[TestFixture]
public class TensorViewTests
{
    private Device _device = null!;
    private DeviceBuffer _buffer = null!;

    [SetUp]
    public void Open()
    {
        _device = Device.Open();
        _buffer = new DeviceBuffer(_device, 96);
    }

    [TearDown]
    public void Close()
    {
        _buffer.Dispose();
        _device.Dispose();
    }

    [Test]
    public void A_view_may_end_where_the_buffer_ends()
    {
        TensorView view = _buffer.View(DataType.Float32, 3, 4, byteOffset: 16, rowStride: 8);
        Assert.That((view.Rows, view.Columns, view.RowStride, view.ByteOffset), Is.EqualTo((3L, 4L, 8L, 16L)));
        Assert.That(view.IsContiguous, Is.False);
        Assert.That(() => _buffer.View(DataType.Float32, 3, 5, byteOffset: 16, rowStride: 8), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("96 bytes"));
    }

    [TestCase(-1L, 1L, 0L, 1L)]
    [TestCase(1L, -1L, 0L, 1L)]
    [TestCase(1L, 1L, -4L, 1L)]
    [TestCase(2L, 3L, 0L, 2L)]
    [TestCase(1L, 25L, 0L, 25L)]
    [TestCase(long.MaxValue, long.MaxValue, 0L, long.MaxValue)]
    [TestCase(3L, 1L, 0L, long.MaxValue / 2)]
    [TestCase(1L, 1L, long.MaxValue - 3, 1L)]
    public void Numbers_out_of_range_are_refused(long rows, long columns, long byteOffset, long rowStride) =>
        Assert.That(() => _buffer.View(DataType.Float32, rows, columns, byteOffset, rowStride), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void A_view_starts_at_an_element()
    {
        Assert.That(() => _buffer.View(DataType.Float32, 1, 1, 2), Throws.ArgumentException.With.Message.Contains("multiple of 4"));
        Assert.That(() => _buffer.View(DataType.Float16, 1, 1, 2), Throws.Nothing);
        Assert.That(() => _buffer.View((DataType)99, 1, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Slices_move_the_offset_and_keep_the_stride()
    {
        _buffer.Write<float>([.. Enumerable.Range(0, 24).Select(i => (float)i)]);
        TensorView view = _buffer.View(DataType.Float32, 4, 6);
        TensorView middle = view.SliceRows(1, 2).SliceColumns(2, 3);
        Assert.That((middle.Rows, middle.Columns, middle.RowStride, middle.ByteOffset), Is.EqualTo((2L, 3L, 6L, 32L)));
        TensorView y = _buffer.View(DataType.Float32, 1, 3);
        Operations.ResidualAdd(middle.SliceRows(1, 1), y);
        var values = new float[3];
        _buffer.Read<float>(values);
        Assert.That(values, Is.EqualTo(new[] { 14f, 16f, 18f }));
    }

    [Test]
    public void Slices_stay_inside_the_view()
    {
        TensorView view = _buffer.View(DataType.Float32, 4, 6);
        Assert.That(() => view.SliceRows(3, 2), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("4 rows"));
        Assert.That(() => view.SliceRows(-1, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => view.SliceRows(0, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => view.SliceColumns(0, 7), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("6 columns"));
        Assert.That(() => view.SliceColumns(long.MaxValue, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(view.SliceRows(4, 0).Rows, Is.Zero);
        Assert.That(view.SliceColumns(6, 0).Columns, Is.Zero);
    }

    [Test]
    public void Reshape_keeps_the_elements_and_needs_rows_without_gaps()
    {
        TensorView view = _buffer.View(DataType.Float32, 4, 6);
        TensorView flat = view.Reshape(1, 24);
        Assert.That((flat.Rows, flat.Columns, flat.RowStride), Is.EqualTo((1L, 24L, 24L)));
        Assert.That(() => view.Reshape(5, 5), Throws.ArgumentException);
        Assert.That(() => view.SliceColumns(0, 3).Reshape(1, 12), Throws.ArgumentException.With.Message.Contains("6 elements apart"));
        Assert.That(view.SliceColumns(1, 3).SliceRows(2, 1).Reshape(3, 1).ByteOffset, Is.EqualTo(52));
    }

    [Test]
    public void The_default_view_is_refused_by_name()
    {
        Assert.That(
            () => Operations.ResidualAdd(_buffer.View(DataType.Float32, 1, 1), default),
            Throws.ArgumentException.With.Property("ParamName").EqualTo("y"));
        Assert.That(() => default(TensorView).SliceRows(0, 0), Throws.ArgumentException);
    }
}

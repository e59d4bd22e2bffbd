namespace NativeQuant.Tests;

[TestFixture]
public class DeviceBufferTests
{
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = Device.Open();

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void New_memory_is_zero()
    {
        using var buffer = new DeviceBuffer(_device, 1000);
        var bytes = new byte[1000];
        Array.Fill(bytes, (byte)7);
        buffer.Read<byte>(bytes);
        Assert.That(bytes, Is.All.Zero);
    }

    [Test]
    public void What_is_written_is_read_back_from_any_offset()
    {
        using var buffer = new DeviceBuffer(_device, 64);
        buffer.Write<float>([1.5f, -2, 3], byteOffset: 8);
        var values = new float[2];
        buffer.Read<float>(values, byteOffset: 12);
        Assert.That(values, Is.EqualTo(new[] { -2f, 3f }));
    }

    [Test]
    public void Nothing_may_be_copied_anywhere_inside_the_buffer()
    {
        using var buffer = new DeviceBuffer(_device, 4);
        buffer.Write<int>([], byteOffset: 4);
        buffer.Read<int>([], byteOffset: 4);
        buffer.CopyTo(buffer, 4, 0, 0);
        Assert.That(() => buffer.Write<int>([], byteOffset: 5), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Buffers_copy_to_each_other_and_within_themselves()
    {
        using DeviceBuffer source = DeviceBuffer.From<byte>(_device, [1, 2, 3, 4, 5]);
        using var target = new DeviceBuffer(_device, 5);
        source.CopyTo(target, 1, 2, 3);
        source.CopyTo(source, 0, 1, 4);
        Assert.That(Read(target), Is.EqualTo(new byte[] { 0, 0, 2, 3, 4 }));
        Assert.That(Read(source), Is.EqualTo(new byte[] { 1, 1, 2, 3, 4 }));
    }

    [TestCase(-1L, 1)]
    [TestCase(9L, 1)]
    [TestCase(5L, 4)]
    [TestCase(long.MaxValue, 8)]
    public void A_range_outside_the_buffer_is_refused_by_name(long offset, int count)
    {
        using var buffer = new DeviceBuffer(_device, 8);
        var bytes = new byte[count];
        Assert.That(() => buffer.Write<byte>(bytes, offset), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("8 bytes"));
        Assert.That(() => buffer.Read<byte>(bytes, offset), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("byteOffset"));
        Assert.That(() => buffer.CopyTo(buffer, offset, 0, count), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("sourceOffset"));
        Assert.That(() => buffer.CopyTo(buffer, 0, offset, count), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("destinationOffset"));
    }

    [Test]
    public void Senseless_arguments_are_refused()
    {
        using var buffer = new DeviceBuffer(_device, 8);
        Assert.That(() => new DeviceBuffer(null!, 1), Throws.ArgumentNullException);
        Assert.That(() => new DeviceBuffer(_device, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new DeviceBuffer(_device, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => DeviceBuffer.From<float>(_device, []), Throws.ArgumentException);
        Assert.That(() => buffer.CopyTo(null!, 0, 0, 1), Throws.ArgumentNullException);
        Assert.That(() => buffer.CopyTo(buffer, 0, 0, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Devices_do_not_mix()
    {
        using Device other = Device.Open();
        using var here = new DeviceBuffer(_device, 8);
        using var there = new DeviceBuffer(other, 8);
        Assert.That(() => here.CopyTo(there, 0, 0, 8), Throws.ArgumentException);
        Assert.That(
            () => Operations.ResidualAdd(here.View(DataType.Float32, 1, 2), there.View(DataType.Float32, 1, 2)),
            Throws.ArgumentException.With.Message.Contains("device"));
    }

    private static byte[] Read(DeviceBuffer buffer)
    {
        var bytes = new byte[buffer.ByteLength];
        buffer.Read<byte>(bytes);
        return bytes;
    }
}

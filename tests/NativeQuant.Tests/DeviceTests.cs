namespace NativeQuant.Tests;

[TestFixture]
public class DeviceTests
{
    [TestCaseSource(typeof(Implementations), nameof(Implementations.Supported))]
    public void A_device_runs_the_implementation_asked_for(string implementation)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { Implementation = implementation, ThreadCount = 2 });
        Assert.That(device.Kind, Is.EqualTo("cpu"));
        Assert.That(device.Implementation, Is.EqualTo(implementation));
        Assert.That(device.ThreadCount, Is.EqualTo(2));
        Assert.That(device.ToString(), Is.EqualTo($"cpu ({implementation}, 2 threads)"));
    }

    [Test]
    public void Memory_is_counted_and_given_back()
    {
        using Device device = Device.Open();
        long before = device.AllocatedBytes;
        using (new DeviceBuffer(device, 1 << 20))
        {
            Assert.That(device.AllocatedBytes, Is.GreaterThanOrEqualTo(before + (1 << 20)));
        }

        Assert.That(device.AllocatedBytes, Is.EqualTo(before));
        Assert.That(device.PeakAllocatedBytes, Is.GreaterThanOrEqualTo(before + (1 << 20)));
        device.ResetPeakMemory();
        Assert.That(device.PeakAllocatedBytes, Is.EqualTo(before));
        device.TrimMemory();
        Assert.That(device.AllocatedBytes, Is.LessThanOrEqualTo(before));
    }

    [Test]
    public void A_device_that_does_not_exist_is_named()
    {
        Assert.That(() => Device.Open("cuda:0"), Throws.TypeOf<DeviceNotAvailableException>().With.Message.Contains("cuda:0"));
        Assert.That(() => Device.Open("toaster"), Throws.TypeOf<DeviceNotAvailableException>().With.Message.Contains("toaster"));
        Assert.That(
            () => Device.Open("cpu", new DeviceOptions { Implementation = "abacus" }),
            Throws.TypeOf<DeviceNotAvailableException>().With.Message.Contains("abacus"));
    }

    [Test]
    public void Senseless_arguments_are_refused()
    {
        Assert.That(() => Device.Open(null!), Throws.ArgumentNullException);
        Assert.That(() => Device.Open(""), Throws.ArgumentException);
        Assert.That(() => Device.Open("cpu", new DeviceOptions { ThreadCount = -1 }), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Memory_that_is_not_to_be_had_gives_a_typed_exception_and_a_live_device()
    {
        using Device device = Device.Open();
        long before = device.AllocatedBytes;
        Assert.That(() => new DeviceBuffer(device, 1L << 50), Throws.TypeOf<NativeQuantOutOfMemoryException>().With.Message.Contains($"{1L << 50}"));
        Assert.That(() => new DeviceBuffer(device, long.MaxValue), Throws.TypeOf<NativeQuantOutOfMemoryException>());
        Assert.That(device.AllocatedBytes, Is.EqualTo(before));
        using DeviceBuffer buffer = DeviceBuffer.From<int>(device, [1, 2, 3]);
        Assert.That(buffer.ByteLength, Is.EqualTo(12));
    }
}

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
        Assert.That(() => Device.Open("cuda:99"), Throws.TypeOf<DeviceNotAvailableException>().With.Message.Contains("cuda:99"));
        Assert.That(() => Device.Open("toaster"), Throws.TypeOf<DeviceNotAvailableException>().With.Message.Contains("toaster"));
        Assert.That(
            () => Device.Open("cpu", new DeviceOptions { Implementation = "abacus" }),
            Throws.TypeOf<DeviceNotAvailableException>().With.Message.Contains("abacus"));
    }

    [Test]
    public void Cuda_devices_are_listed_or_it_says_what_is_missing()
    {
        IReadOnlyList<CudaDevice> devices;
        try
        {
            devices = NativeRuntime.CudaDevices;
        }
        catch (DeviceNotAvailableException exception)
        {
            Assert.That(exception.Message, Does.Contain("CUDA"));
            Assert.That(() => Device.Open("cuda:0"), Throws.TypeOf<DeviceNotAvailableException>().With.Message.EndsWith(exception.Message));
            return;
        }

        Assert.That(devices, Is.Not.Empty);
        Assert.That(devices.Select(device => device.Name), Has.All.Not.Empty);
        Assert.That(devices.Select(device => device.MemoryBytes), Has.All.GreaterThan(0));
    }

    [Test]
    public void A_step_changes_no_result()
    {
        using Device device = Device.Open();
        using DeviceBuffer x = DeviceBuffer.From<float>(device, [1, 2, 3]), y = DeviceBuffer.From<float>(device, [10, 20, 30]);
        TensorView from = x.View(DataType.Float32, 1, 3), to = y.View(DataType.Float32, 1, 3);
        for (int i = 0; i < 3; i++)
        {
            using DeviceStep step = device.BeginStep();
            Operations.ResidualAdd(from, to);
            Operations.ResidualAdd(from, to);
            step.End();
            step.End();
        }

        device.Synchronize();
        float[] sums = new float[3];
        y.Read<float>(sums);
        Assert.That(sums, Is.EqualTo(new float[] { 16, 32, 48 }));
    }

    [Test]
    public void A_disposed_device_neither_waits_nor_begins_a_step()
    {
        Device device = Device.Open();
        device.Dispose();
        Assert.That(device.Synchronize, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => device.BeginStep().Dispose(), Throws.TypeOf<ObjectDisposedException>());
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

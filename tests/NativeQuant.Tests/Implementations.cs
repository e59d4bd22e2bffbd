namespace NativeQuant.Tests;

// The CPU implementations of this machine; tests that compute run on each of them.
internal static class Implementations
{
    public static IEnumerable<string> Supported =>
        NativeRuntime.CpuImplementations.Where(implementation => implementation.IsSupported).Select(implementation => implementation.Name);

    public static Device Open(string implementation, int threadCount = 0)
    {
        Device device = Device.Open("cpu", new DeviceOptions { Implementation = implementation, ThreadCount = threadCount });
        Assert.That(device.Implementation, Is.EqualTo(implementation), "the implementation that runs");
        return device;
    }
}

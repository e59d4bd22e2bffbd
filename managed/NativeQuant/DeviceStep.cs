using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>Operations of one thread that come again from step to step. Made by <see cref="Device.BeginStep"/>.</summary>
public ref struct DeviceStep
{
    private SafeDeviceHandle? _device;

    internal DeviceStep(SafeDeviceHandle device)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_device_step_begin(device));
        _device = device;
    }

    /// <summary>Ends the step: from here on its operations are the device's to do, in the order of the calls. A second call does nothing.</summary>
    /// <exception cref="NativeQuantException">An operation that had been put off failed.</exception>
    public void End()
    {
        if (_device is { } device)
        {
            _device = null;
            Errors.ThrowIfFailed(NativeMethods.nq_device_step_end(device));
        }
    }

    /// <summary>Ends a step that an exception left; what fails now is not reported, for that exception is.</summary>
    public void Dispose()
    {
        if (_device is { } device)
        {
            _device = null;
            _ = NativeMethods.nq_device_step_end(device);
        }
    }
}

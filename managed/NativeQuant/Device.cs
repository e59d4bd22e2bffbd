using System.Runtime.InteropServices;
using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// A place that owns memory and computes: the processor, or a CUDA device. Buffers, matrices and caches belong to the device they were
/// created on, and operations take arguments of one device only.
/// </summary>
/// <remarks>
/// Thread-safe. Operations of one device happen in the order of the calls. A CUDA device may still be at work when a call returns: reading
/// a buffer and <see cref="Synchronize"/> wait for it, and throw for what only the device could see. Disposing a device gives up this handle only: whatever was created on it keeps it alive natively and keeps working until
/// it is disposed itself, so the order of disposal does not matter.
/// </remarks>
public sealed class Device : IDisposable
{
    private Device(SafeDeviceHandle handle)
    {
        Handle = handle;
        NqDeviceInfo info = GetInfo();
        unsafe
        {
            Kind = NativeText.ToManaged(info.Kind);
            Implementation = NativeText.ToManaged(info.Implementation);
        }

        ThreadCount = checked((int)info.ThreadCount);
    }

    /// <summary>Kind of device: <c>cpu</c> or <c>cuda</c>.</summary>
    public string Kind { get; }

    /// <summary>Name of the implementation in use, such as <c>scalar</c>, <c>avx2</c> or <c>avx512</c>; of a CUDA device, its name.</summary>
    public string Implementation { get; }

    /// <summary>Threads that an operation may use; of a CUDA device, its multiprocessors.</summary>
    public int ThreadCount { get; }

    /// <summary>Bytes held now by buffers, matrices, caches and scratch memory of this device. A CUDA device also keeps freed memory for reuse, not counted here, until <see cref="TrimMemory"/>.</summary>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public long AllocatedBytes => checked((long)GetInfo().AllocatedBytes);

    /// <summary>Largest value of <see cref="AllocatedBytes"/> since the device was opened or <see cref="ResetPeakMemory"/> was called.</summary>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public long PeakAllocatedBytes => checked((long)GetInfo().PeakAllocatedBytes);

    internal SafeDeviceHandle Handle { get; }

    internal SafeDeviceHandle OpenHandle
    {
        get
        {
            Errors.ThrowIfDisposed(Handle, nameof(Device));
            return Handle;
        }
    }

    // Device memory that lives in this process' own address space counts towards what a finalizer could free.
    internal bool IsHostResident => Kind == "cpu";

    /// <summary>Opens a device.</summary>
    /// <param name="name"><c>cpu</c>, or <c>cuda:N</c> for the N-th CUDA device.</param>
    /// <param name="options">How to open it; <see langword="null"/> for the defaults.</param>
    /// <returns>The device; dispose it to give it up.</returns>
    /// <exception cref="ArgumentException"><paramref name="name"/> or an option is not understood.</exception>
    /// <exception cref="DeviceNotAvailableException">The device, or the implementation asked for, cannot run here; the message says what is missing.</exception>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static unsafe Device Open(string name = "cpu", DeviceOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        options ??= new DeviceOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.ThreadCount, nameof(options) + "." + nameof(options.ThreadCount));
        NativeLibraryLoader.EnsureLoaded();

        SafeDeviceHandle handle;
        byte* implementation = (byte*)Marshal.StringToCoTaskMemUTF8(options.Implementation);
        try
        {
            var native = new NqDeviceOptions
            {
                StructSize = (uint)sizeof(NqDeviceOptions),
                ThreadCount = (uint)options.ThreadCount,
                Implementation = implementation,
            };
            Errors.ThrowIfFailed(NativeMethods.nq_device_open(name, &native, out handle));
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)implementation);
        }

        return new Device(handle);
    }

    /// <summary>Sets <see cref="PeakAllocatedBytes"/> to <see cref="AllocatedBytes"/>.</summary>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public void ResetPeakMemory() => Errors.ThrowIfFailed(NativeMethods.nq_device_reset_peak(OpenHandle));

    /// <summary>Gives memory that is kept for reuse back to the operating system.</summary>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public void TrimMemory() => Errors.ThrowIfFailed(NativeMethods.nq_device_trim(OpenHandle));

    /// <summary>Waits until the device has done everything asked of it.</summary>
    /// <exception cref="InvalidWeightsException">An operation met unusable data, such as a token id outside the table.</exception>
    /// <exception cref="DeviceLostException">The device failed.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public void Synchronize() => Errors.ThrowIfFailed(NativeMethods.nq_device_synchronize(OpenHandle));

    /// <summary>
    /// Begins a step: operations of the calling thread that come again from step to step, such as those that decode one token. A CUDA device
    /// may put them off and run them as one; results are the same.
    /// </summary>
    /// <returns>The step; call <see cref="DeviceStep.End"/> after its last operation, and dispose it.</returns>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public DeviceStep BeginStep() => new(OpenHandle);

    /// <summary>Gives up the device. May be called any number of times, from any thread, before or after its buffers are disposed.</summary>
    public void Dispose() => Handle.Dispose();

    /// <summary>Kind, implementation and number of threads, for logs.</summary>
    /// <returns>A text such as <c>cpu (avx512, 16 threads)</c>.</returns>
    public override string ToString() => $"{Kind} ({Implementation}, {ThreadCount} {(Kind == "cuda" ? "multiprocessors" : "threads")})";

    private NqDeviceInfo GetInfo()
    {
        Errors.ThrowIfFailed(NativeMethods.nq_device_get_info(OpenHandle, out NqDeviceInfo info));
        return info;
    }
}

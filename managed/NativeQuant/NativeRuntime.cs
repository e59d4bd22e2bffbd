using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>What the native library is, and what it finds on this machine. Thread-safe.</summary>
/// <remarks>
/// The first use of any member loads the library; <see cref="NativeLibraryLoadException"/> says why if that fails, and the next use tries
/// again. The environment variable <c>NATIVEQUANT_LIBRARY_PATH</c> names the file or folder to load from instead of the usual places.
/// </remarks>
public static class NativeRuntime
{
    /// <summary>Path that the library was loaded from; only the file name if the operating system's own search found it.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static string LibraryPath => NativeLibraryLoader.EnsureLoaded().Path;

    /// <summary>Version of the native interface that the library implements.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static Version AbiVersion => NativeLibraryLoader.EnsureLoaded().AbiVersion;

    /// <summary>Version, compiler and build type of the library, one line.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static unsafe string BuildInfo
    {
        get
        {
            NativeLibraryLoader.EnsureLoaded();
            return NativeText.ToManaged(NativeMethods.nq_build_info());
        }
    }

    /// <summary>Instruction sets of this processor that the operating system allows, separated by spaces.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static unsafe string CpuFeatures
    {
        get
        {
            NativeLibraryLoader.EnsureLoaded();
            return NativeText.ToManaged(NativeMethods.nq_cpu_features());
        }
    }

    /// <summary>The CPU implementations in the library, best first, also those that cannot run on this processor.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static unsafe IReadOnlyList<CpuImplementation> CpuImplementations
    {
        get
        {
            NativeLibraryLoader.EnsureLoaded();
            var implementations = new CpuImplementation[NativeMethods.nq_cpu_implementation_count()];
            for (int i = 0; i < implementations.Length; i++)
            {
                Errors.ThrowIfFailed(NativeMethods.nq_cpu_implementation_get((uint)i, out NqCpuImplementation native));
                implementations[i] = new CpuImplementation(
                    NativeText.ToManaged(native.Name),
                    NativeText.ToManaged(native.Description),
                    NativeText.ToManaged(native.RequiresFeatures),
                    native.Supported != 0,
                    native.Selected != 0);
            }

            return implementations;
        }
    }

    /// <summary>The CUDA devices of this machine, at least one: the N-th is what <see cref="Device.Open"/> calls <c>cuda:N</c>.</summary>
    /// <exception cref="DeviceNotAvailableException">There is no CUDA library, no driver, or no device; the message says what is missing.</exception>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static unsafe IReadOnlyList<CudaDevice> CudaDevices
    {
        get
        {
            NativeLibraryLoader.EnsureLoaded();
            Errors.ThrowIfFailed(NativeMethods.nq_cuda_device_count(out uint count));
            var devices = new CudaDevice[count];
            for (int i = 0; i < devices.Length; i++)
            {
                Errors.ThrowIfFailed(NativeMethods.nq_cuda_device_get((uint)i, out NqCudaDevice native));
                devices[i] = new CudaDevice(
                    NativeText.ToManaged(native.Name),
                    new Version((int)native.ComputeCapabilityMajor, (int)native.ComputeCapabilityMinor),
                    checked((int)native.Multiprocessors),
                    new Version((int)native.DriverVersion / 1000, (int)native.DriverVersion % 1000 / 10),
                    checked((long)native.MemoryBytes));
            }

            return devices;
        }
    }

    /// <summary>Main memory of this machine, read anew at each call.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static HostMemory HostMemory
    {
        get
        {
            NativeLibraryLoader.EnsureLoaded();
            Errors.ThrowIfFailed(NativeMethods.nq_host_memory(out ulong total, out ulong available));
            return new HostMemory((long)Math.Min(total, long.MaxValue), (long)Math.Min(available, long.MaxValue));
        }
    }
}

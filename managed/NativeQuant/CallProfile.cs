using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>Where the time of native calls goes, for the whole process: counted between <see cref="Start"/> and <see cref="Stop"/>. Thread-safe.</summary>
/// <remarks>While it counts, a call takes a fraction of a microsecond longer; otherwise it costs nothing.</remarks>
public static class CallProfile
{
    /// <summary>Starts counting from zero.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static void Start()
    {
        NativeLibraryLoader.EnsureLoaded();
        Errors.ThrowIfFailed(NativeMethods.nq_profile_start());
    }

    /// <summary>Stops counting and returns the sums so far, the function with the most time first.</summary>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static unsafe IReadOnlyList<FunctionProfile> Stop()
    {
        NativeLibraryLoader.EnsureLoaded();
        Errors.ThrowIfFailed(NativeMethods.nq_profile_stop());
        List<FunctionProfile> functions = [];
        for (uint i = 0; i < NativeMethods.nq_profile_function_count(); i++)
        {
            Errors.ThrowIfFailed(NativeMethods.nq_profile_get(i, out NqFunctionProfile native));
            if (native.Calls > 0)
            {
                functions.Add(new FunctionProfile(
                    NativeText.ToManaged(native.Name),
                    (long)native.Calls,
                    Duration(native.TotalNs),
                    Duration(native.KernelNs),
                    Duration(native.WaitNs),
                    Duration(native.WorkerKernelNs)));
            }
        }

        functions.Sort(static (a, b) => b.Total.CompareTo(a.Total));
        return functions;
    }

    private static TimeSpan Duration(ulong nanoseconds) => TimeSpan.FromTicks((long)(nanoseconds / TimeSpan.NanosecondsPerTick));
}

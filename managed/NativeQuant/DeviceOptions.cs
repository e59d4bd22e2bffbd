namespace NativeQuant;

/// <summary>How to open a <see cref="Device"/>. The defaults suit almost everyone.</summary>
public sealed record DeviceOptions
{
    /// <summary>
    /// Threads that an operation may use. 0, the default: the environment variable <c>NATIVEQUANT_THREADS</c> if set, else the processors
    /// this process may use. Results do not depend on it. CUDA devices have no use for it.
    /// </summary>
    public int ThreadCount { get; init; }

    /// <summary>
    /// Name of the CPU implementation to use, one of <see cref="NativeRuntime.CpuImplementations"/>. <see langword="null"/>, the default: the
    /// environment variable <c>NATIVEQUANT_CPU</c> if set, else the best that runs on this processor. CUDA devices have no use for it.
    /// </summary>
    public string? Implementation { get; init; }
}

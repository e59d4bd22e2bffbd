namespace NativeQuant;

/// <summary>Where the time of one native function's calls went.</summary>
/// <param name="Name">Name of the function in the C ABI.</param>
/// <param name="Calls">Number of calls.</param>
/// <param name="Total">Wall time within the calls.</param>
/// <param name="Kernel">Of <paramref name="Total"/>: the calling thread ran kernels.</param>
/// <param name="Wait">Of <paramref name="Total"/>: the calling thread waited for other threads to finish their part.</param>
/// <param name="WorkerKernel">Time in kernels of the other threads, beside <paramref name="Total"/>.</param>
public sealed record FunctionProfile(string Name, long Calls, TimeSpan Total, TimeSpan Kernel, TimeSpan Wait, TimeSpan WorkerKernel);

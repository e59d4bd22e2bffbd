namespace NativeQuant;

/// <summary>Main memory of the machine.</summary>
/// <param name="TotalBytes">All of it, in bytes.</param>
/// <param name="AvailableBytes">What this process can still have, in bytes: the least of free memory and the control group's limit.</param>
public readonly record struct HostMemory(long TotalBytes, long AvailableBytes);

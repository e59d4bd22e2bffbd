namespace NativeQuant;

/// <summary>One CUDA device of this machine.</summary>
/// <param name="Name">Name as the driver gives it.</param>
/// <param name="ComputeCapability">Compute capability; <see cref="Device.Open"/> needs 7.5 or later.</param>
/// <param name="Multiprocessors">Number of multiprocessors.</param>
/// <param name="DriverVersion">Newest CUDA version that the driver supports.</param>
/// <param name="MemoryBytes">Bytes of device memory.</param>
public sealed record CudaDevice(string Name, Version ComputeCapability, int Multiprocessors, Version DriverVersion, long MemoryBytes);

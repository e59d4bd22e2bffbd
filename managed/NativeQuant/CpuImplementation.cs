namespace NativeQuant;

/// <summary>One CPU implementation of the operations.</summary>
/// <param name="Name">Short name, as <see cref="DeviceOptions.Implementation"/> and <c>NATIVEQUANT_CPU</c> take it.</param>
/// <param name="Description">One line of description.</param>
/// <param name="RequiredFeatures">Instruction sets it needs, separated by spaces.</param>
/// <param name="IsSupported">Whether this processor and operating system can run it.</param>
/// <param name="IsSelected">Whether a CPU device opened without options uses it.</param>
public sealed record CpuImplementation(string Name, string Description, string RequiredFeatures, bool IsSupported, bool IsSelected);

namespace NativeQuant.Benchmarks.Peers;

/// <summary>The first line of a contestant.</summary>
/// <param name="Version">Library and version.</param>
/// <param name="Detail">The kernel, buffer or implementation that the library chose.</param>
/// <param name="Bytes">Bytes of one weight matrix, or of what a token reads of the model.</param>
/// <param name="Error">Relative error of the result; 0 where none is measured.</param>
internal sealed record Readiness(string Version, string Detail, double Bytes, double Error);

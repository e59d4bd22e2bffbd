namespace NativeQuant.Benchmarks.Peers;

/// <summary>How a contestant is started.</summary>
/// <param name="Executable">The program.</param>
/// <param name="Arguments">Its arguments.</param>
/// <param name="Folder">The folder it runs in.</param>
/// <param name="Environment">Variables to set.</param>
internal sealed record ContestantProgram(string Executable, IReadOnlyList<string> Arguments, string Folder, IReadOnlyDictionary<string, string> Environment);

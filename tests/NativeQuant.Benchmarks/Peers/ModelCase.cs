namespace NativeQuant.Benchmarks.Peers;

/// <summary>One comparison end to end, on models of one shape.</summary>
/// <param name="Name">A short name, unique.</param>
/// <param name="Threads">Threads.</param>
/// <param name="Request">What contestants are asked for, see llama_model.cpp.</param>
/// <param name="Entrants">Who takes part; the first is the one that ratios are formed with.</param>
/// <param name="Busy">Whether another process keeps one processor busy meanwhile.</param>
internal sealed record ModelCase(string Name, int Threads, string Request, IReadOnlyList<Entrant> Entrants, bool Busy = false);

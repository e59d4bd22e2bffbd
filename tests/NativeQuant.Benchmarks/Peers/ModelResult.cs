namespace NativeQuant.Benchmarks.Peers;

/// <summary>What one entrant reached end to end.</summary>
/// <param name="Library">The library.</param>
/// <param name="Type">Its weight type.</param>
/// <param name="Version">Its version.</param>
/// <param name="Bytes">Bytes that it reads for a token; of a limit: for a sample.</param>
/// <param name="WallSeconds">Median wall time of a token.</param>
/// <param name="CpuSeconds">Median CPU time of a token, per thread.</param>
/// <param name="Ratio">Median over the rounds of our tokens per second over this one's; above 1: ours is faster.</param>
/// <param name="Samples">Number of samples.</param>
internal sealed record ModelEntry(string Library, string Type, string Version, double Bytes, double WallSeconds, double CpuSeconds, double Ratio, int Samples)
{
    /// <summary>The time that counts: CPU time on one thread, else wall time.</summary>
    public double Seconds(int threads) => threads == 1 ? CpuSeconds : WallSeconds;
}

/// <summary>The result of a case.</summary>
internal sealed record ModelResult(
    string Name, int Threads, string Request, bool Busy, Machine Machine, DateTime Date, IReadOnlyList<ModelEntry> Entries, IReadOnlyList<Absentee> Absent);

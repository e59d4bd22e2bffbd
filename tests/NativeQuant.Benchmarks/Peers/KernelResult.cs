namespace NativeQuant.Benchmarks.Peers;

/// <summary>What one entrant reached in a case.</summary>
/// <param name="Library">The library.</param>
/// <param name="Type">Its weight type.</param>
/// <param name="Version">Its version.</param>
/// <param name="Detail">The kernel, buffer or implementation it chose.</param>
/// <param name="Bytes">Bytes of one weight matrix.</param>
/// <param name="Error">Relative error of its result.</param>
/// <param name="WallSeconds">Median wall time of a product.</param>
/// <param name="CpuSeconds">Median CPU time of a product, per thread.</param>
/// <param name="Ratio">Median over the rounds of our time over this one's; below 1: ours is faster.</param>
/// <param name="Samples">Number of samples.</param>
internal sealed record KernelEntry(
    string Library, string Type, string Version, string Detail, double Bytes, double Error, double WallSeconds, double CpuSeconds, double Ratio, int Samples)
{
    /// <summary>The time that counts: CPU time on one thread, else wall time.</summary>
    public double Seconds(int threads) => threads == 1 ? CpuSeconds : WallSeconds;
}

/// <summary>An entrant that did not take part.</summary>
internal sealed record Absentee(string Entrant, string Reason);

/// <summary>The result of a case.</summary>
internal sealed record KernelResult(
    string Name, int Rows, int Columns, int M, int Threads, Machine Machine, DateTime Date, IReadOnlyList<KernelEntry> Entries, IReadOnlyList<Absentee> Absent);

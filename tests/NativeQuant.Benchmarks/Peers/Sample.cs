namespace NativeQuant.Benchmarks.Peers;

/// <summary>What one product, or one token, took.</summary>
/// <param name="Wall">Wall time in seconds.</param>
/// <param name="Cpu">CPU time of the process in seconds, divided by its threads.</param>
internal readonly record struct Sample(double Wall, double Cpu)
{
    /// <summary>One thread: CPU time, which leaves out what other programs had of the core; more: wall time.</summary>
    public double Time(int threads) => threads == 1 ? Cpu : Wall;
}

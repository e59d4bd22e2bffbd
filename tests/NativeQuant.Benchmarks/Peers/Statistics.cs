namespace NativeQuant.Benchmarks.Peers;

/// <summary>Figures of samples.</summary>
internal static class Statistics
{
    /// <summary>The middle value; of an even number the lower of the two.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[(sorted.Length - 1) / 2];
    }
}

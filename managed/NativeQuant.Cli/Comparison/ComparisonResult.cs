namespace NativeQuant.Cli.Comparison;

/// <summary>What was measured for one format.</summary>
internal sealed record ComparisonResult
{
    public required string Format { get; init; }

    /// <summary>Bits per parameter of the linear layers that quantization concerns, statistics included.</summary>
    public required double LinearBitsPerParameter { get; init; }

    /// <summary>Bits per parameter of all weights.</summary>
    public required double BitsPerParameter { get; init; }

    /// <summary>Bytes of all weights in the exchange format.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Most memory held while loading, above that of the finished model.</summary>
    public required long PeakExtraLoadBytes { get; init; }

    public required TimeSpan LoadTime { get; init; }

    public required Throughput Throughput { get; init; }

    public required double Perplexity { get; init; }

    /// <summary>The greedy continuation of the prompt.</summary>
    public required string Continuation { get; init; }

    /// <summary>How far the perplexity is from the reference's, in percent.</summary>
    public double PerplexityChangePercent(ComparisonResult reference) => 100 * (Perplexity / reference.Perplexity - 1);
}

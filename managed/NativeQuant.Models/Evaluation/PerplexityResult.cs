namespace NativeQuant.Models;

/// <summary>Outcome of <see cref="Perplexity.Measure"/>.</summary>
/// <param name="Perplexity">exp of <paramref name="MeanNats"/>.</param>
/// <param name="MeanNats">Mean negative natural log-probability of the scored tokens, summed in f64.</param>
/// <param name="ScoredTokens">Tokens scored: windows times <paramref name="Window"/>.</param>
/// <param name="Window">Tokens of a window.</param>
/// <param name="Duration">Wall time.</param>
public sealed record PerplexityResult(double Perplexity, double MeanNats, int ScoredTokens, int Window, TimeSpan Duration)
{
    /// <summary>Tokens scored per second.</summary>
    public double TokensPerSecond => ScoredTokens / Duration.TotalSeconds;
}

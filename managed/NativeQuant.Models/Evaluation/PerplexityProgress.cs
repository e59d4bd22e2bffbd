namespace NativeQuant.Models;

/// <summary>How far a measurement has come.</summary>
/// <param name="CompletedWindows">Windows scored.</param>
/// <param name="TotalWindows">Windows in all.</param>
/// <param name="Perplexity">Perplexity over the windows so far.</param>
public readonly record struct PerplexityProgress(int CompletedWindows, int TotalWindows, double Perplexity);

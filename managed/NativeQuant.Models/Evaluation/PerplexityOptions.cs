namespace NativeQuant.Models;

/// <summary>How <see cref="Perplexity.Measure"/> cuts a text. Immutable.</summary>
public sealed record PerplexityOptions
{
    /// <summary>Tokens of a window, 1 to the context length. Null (default): 256, or the context length if that is less.</summary>
    public int? Window { get; init; }

    /// <summary>Most windows to score, at least 1. Null (default): all.</summary>
    public int? MaxWindows { get; init; }
}

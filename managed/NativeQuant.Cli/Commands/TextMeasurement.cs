using NativeQuant.Cli.Output;
using NativeQuant.Models;

namespace NativeQuant.Cli.Commands;

/// <summary>Measures a perplexity away from the calling thread, and shows how far it has come.</summary>
internal static class TextMeasurement
{
    public static Task<PerplexityResult> PerplexityAsync(Terminal terminal, string description, CausalLM model, IReadOnlyList<int> ids, PerplexityOptions options, CancellationToken cancellationToken)
    {
        int[] tokens = [.. ids];
        return ProgressDisplay.RunAsync(terminal, description, progress => Task.Run(
            () => Perplexity.Measure(model, tokens, options, new ProgressConversion<PerplexityProgress>(progress, static measured => (double)measured.CompletedWindows / measured.TotalWindows), cancellationToken),
            cancellationToken));
    }
}

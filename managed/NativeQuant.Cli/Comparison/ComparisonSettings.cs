using NativeQuant.Models;

namespace NativeQuant.Cli.Comparison;

/// <summary>What is compared, and on what text.</summary>
/// <param name="Folder">The model.</param>
/// <param name="Text">Text that the perplexity is measured on.</param>
/// <param name="Prompt">Prompt of the continuation.</param>
/// <param name="ContinuationTokens">Tokens of the continuation.</param>
/// <param name="Perplexity">Window and number of windows.</param>
internal sealed record ComparisonSettings(string Folder, string Text, string Prompt, int ContinuationTokens, PerplexityOptions Perplexity);

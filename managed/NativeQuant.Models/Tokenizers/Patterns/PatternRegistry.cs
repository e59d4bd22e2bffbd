namespace NativeQuant.Models.Tokenizers;

/// <summary>Regular expressions by their text: hand-written scanners for the well-known ones, the general matcher for all others.</summary>
internal static class PatternRegistry
{
    private static readonly Dictionary<string, TextPattern> Scanners = new(StringComparer.Ordinal)
    {
        [Gpt2Scanner.Pattern] = new Gpt2Scanner(),
        [Cl100kScanner.LlamaPattern] = new Cl100kScanner(maxNumberLength: 3),
        [Cl100kScanner.QwenPattern] = new Cl100kScanner(maxNumberLength: 1),
        [O200kScanner.Pattern] = new O200kScanner(),
    };

    /// <summary>The patterns that have a scanner.</summary>
    public static IReadOnlyCollection<string> Known => Scanners.Keys;

    /// <exception cref="FormatException">The pattern is broken or not supported.</exception>
    public static TextPattern Get(string pattern) => Scanners.TryGetValue(pattern, out TextPattern? scanner) ? scanner : new RegexPattern(pattern);
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>Splits at a pattern.</summary>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public static SplitPreTokenizer Read(ComponentFields fields) =>
        new(fields.Pattern("pattern"), ReadBehavior(fields, "behavior"), fields.Boolean("invert", fallback: false));

    /// <summary>Runs of word characters and runs of anything else but white space.</summary>
    public static SplitPreTokenizer Words() => new(PatternRegistry.Get(@"\w+|[^\w\s]+"), SplitBehavior.Removed, invert: true);

    /// <summary>What lies between white space.</summary>
    public static SplitPreTokenizer WhiteSpace() => new(PatternRegistry.Get(@"\s"), SplitBehavior.Removed, invert: false);

    public static SplitBehavior ReadBehavior(ComponentFields fields, string name)
    {
        string value = fields.String(name);
        return !char.IsAsciiDigit(value.FirstOrDefault()) && Enum.TryParse(value, out SplitBehavior behavior)
            ? behavior
            : throw TokenizerFormatException.Expected($"{fields.Path}.{name}", string.Join(", ", Enum.GetNames<SplitBehavior>()), $"'{value}'");
    }

    public override void Apply(PreTokenizedText text) => text.Split(pattern, behavior, invert);
}

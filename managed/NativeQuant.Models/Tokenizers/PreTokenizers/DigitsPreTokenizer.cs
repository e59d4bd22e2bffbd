namespace NativeQuant.Models.Tokenizers;

/// <summary>Sets numbers apart, digit by digit or as runs.</summary>
internal sealed class DigitsPreTokenizer(bool individually) : PreTokenizer
{
    private static readonly TextPattern Digit = PatternRegistry.Get(@"\p{N}");

    public static DigitsPreTokenizer Read(ComponentFields fields) => new(fields.Boolean("individual_digits"));

    public override void Apply(PreTokenizedText text) => text.Split(Digit, individually ? SplitBehavior.Isolated : SplitBehavior.Contiguous);
}

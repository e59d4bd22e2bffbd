namespace NativeQuant.Models.Tokenizers;

/// <summary>Splits at punctuation: Unicode's, and the ASCII symbols too.</summary>
internal sealed class PunctuationPreTokenizer(SplitBehavior behavior) : PreTokenizer
{
    private static readonly TextPattern Punctuation = PatternRegistry.Get(@"[\p{P}$+<=>^`|~]");

    public static PunctuationPreTokenizer Read(ComponentFields fields) =>
        new(fields.Has("behavior") ? SplitPreTokenizer.ReadBehavior(fields, "behavior") : SplitBehavior.Isolated);

    public override void Apply(PreTokenizedText text) => text.Split(Punctuation, behavior);
}

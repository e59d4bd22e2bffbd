namespace NativeQuant.Models.Tokenizers;

/// <summary>Splits at one character, which is dropped.</summary>
internal sealed class CharDelimiterPreTokenizer(string delimiter) : PreTokenizer
{
    private readonly LiteralPattern pattern = new(delimiter);

    public static CharDelimiterPreTokenizer Read(ComponentFields fields) => new(fields.Character("delimiter"));

    public override void Apply(PreTokenizedText text) => text.Split(pattern, SplitBehavior.Removed);
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>Several pre-tokenizers, one after the other.</summary>
internal sealed class SequencePreTokenizer(IReadOnlyList<PreTokenizer> parts) : PreTokenizer
{
    public static SequencePreTokenizer Read(ComponentFields fields) => new([.. fields.Objects("pretokenizers").Select(ComponentRegistry.PreTokenizer)]);

    public override void Apply(PreTokenizedText text)
    {
        foreach (PreTokenizer part in parts)
        {
            part.Apply(text);
        }
    }
}

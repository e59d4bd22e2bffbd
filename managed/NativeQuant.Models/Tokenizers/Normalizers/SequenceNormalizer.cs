namespace NativeQuant.Models.Tokenizers;

/// <summary>Several normalizers, one after the other.</summary>
internal sealed class SequenceNormalizer(IReadOnlyList<Normalizer> parts) : Normalizer
{
    public static SequenceNormalizer Read(ComponentFields fields) => new([.. fields.Objects("normalizers").Select(ComponentRegistry.Normalizer)]);

    public override string Normalize(string text) => parts.Aggregate(text, (current, part) => part.Normalize(current));
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>One of the four Unicode normalization forms.</summary>
internal sealed class UnicodeNormalizer(UnicodeForm form) : Normalizer
{
    public override string Normalize(string text) => UnicodeNormalization.Normalize(text, form);
}

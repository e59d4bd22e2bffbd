namespace NativeQuant.Models.Tokenizers;

/// <summary>The Unicode normalization forms.</summary>
internal enum UnicodeForm
{
    C,
    D,
    KC,
    KD,
}

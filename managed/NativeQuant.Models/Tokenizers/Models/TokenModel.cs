namespace NativeQuant.Models.Tokenizers;

/// <summary>Turns one word into tokens. Immutable but for caches; thread-safe.</summary>
internal abstract class TokenModel(Vocabulary vocabulary)
{
    public Vocabulary Vocabulary => vocabulary;

    public abstract EncodedWord Encode(ReadOnlySpan<char> word);
}

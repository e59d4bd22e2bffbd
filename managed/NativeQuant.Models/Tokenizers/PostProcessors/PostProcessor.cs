namespace NativeQuant.Models.Tokenizers;

/// <summary>Adds special tokens around a text's own. Immutable and thread-safe.</summary>
internal abstract class PostProcessor
{
    public abstract void Apply(EncodedText text);
}

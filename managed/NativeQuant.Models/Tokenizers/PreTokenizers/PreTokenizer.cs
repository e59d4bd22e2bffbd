namespace NativeQuant.Models.Tokenizers;

/// <summary>Cuts a text into the words that the model tokenizes one by one, and maps its characters. Immutable and thread-safe.</summary>
internal abstract class PreTokenizer
{
    public abstract void Apply(PreTokenizedText text);
}

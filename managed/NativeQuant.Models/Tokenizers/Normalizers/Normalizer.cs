namespace NativeQuant.Models.Tokenizers;

/// <summary>Rewrites a text before anything is cut out of it. Immutable and thread-safe; text in and out is well-formed UTF-16.</summary>
internal abstract class Normalizer
{
    /// <summary>The normalized text; the very same string where nothing changes.</summary>
    public abstract string Normalize(string text);
}

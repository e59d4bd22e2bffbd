namespace NativeQuant.Models.Tokenizers;

/// <summary>Replaces every match of a pattern.</summary>
internal sealed class ReplaceNormalizer(TextPattern pattern, string content) : Normalizer
{
    public static ReplaceNormalizer Read(ComponentFields fields) => new(fields.Pattern("pattern"), fields.String("content"));

    public override string Normalize(string text) => pattern.Replace(text, content);
}

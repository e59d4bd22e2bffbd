namespace NativeQuant.Models.Tokenizers;

/// <summary>Puts a text in front, unless there is nothing to put it in front of.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public static PrependNormalizer Read(ComponentFields fields) => new(fields.String("prepend"));

    public override string Normalize(string text) => text.Length == 0 ? text : prefix + text;
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>Takes white space off the ends of the text.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public static StripNormalizer Read(ComponentFields fields) => new(fields.Boolean("strip_left"), fields.Boolean("strip_right"));

    public override string Normalize(string text) => (left, right) switch
    {
        (true, true) => text.Trim(),
        (true, false) => text.TrimStart(),
        (false, true) => text.TrimEnd(),
        _ => text,
    };
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>A token that is found in the text before the model sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="SingleWord">It matches only where no word character touches it.</param>
/// <param name="LeftStrip">It swallows white space before it.</param>
/// <param name="RightStrip">It swallows white space after it.</param>
/// <param name="Normalized">It is normalized itself, and looked for in the normalized text.</param>
/// <param name="Special">It is left out of decoded text where asked for.</param>
internal sealed record AddedToken(int Id, string Content, bool SingleWord, bool LeftStrip, bool RightStrip, bool Normalized, bool Special)
{
    public static AddedToken Read(ComponentFields fields) => new(
        fields.Integer("id", Vocabulary.MaxId),
        fields.String("content"),
        fields.Boolean("single_word", fallback: false),
        fields.Boolean("lstrip", fallback: false),
        fields.Boolean("rstrip", fallback: false),
        fields.Boolean("normalized", fallback: true),
        fields.Boolean("special", fallback: false));
}

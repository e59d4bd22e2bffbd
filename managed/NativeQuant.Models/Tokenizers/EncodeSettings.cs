namespace NativeQuant.Models.Tokenizers;

/// <summary>How a text is to be encoded; what the overloads of <see cref="Tokenizer"/> hand to an implementation.</summary>
/// <param name="AddSpecialTokens">Whether the post-processor adds its special tokens (for instance a BOS).</param>
/// <param name="ConsiderPreTokenization">Whether the text is first split into words. Without, the characters are still mapped (bytes, spaces) but the whole text is one word.</param>
/// <param name="ConsiderNormalization">Whether the text is normalized first.</param>
/// <param name="MaxTokenCount">An implementation may stop as soon as it has more tokens than this.</param>
public readonly record struct EncodeSettings(bool AddSpecialTokens, bool ConsiderPreTokenization, bool ConsiderNormalization, int MaxTokenCount = int.MaxValue);

namespace NativeQuant.Models.Tokenizers;

/// <summary>One token of an encoded text.</summary>
/// <param name="Id">The id the model sees.</param>
/// <param name="Value">The token as the vocabulary spells it: byte-level vocabularies write a space as <c>Ġ</c>, SentencePiece ones as <c>▁</c>.</param>
/// <param name="Offset">
/// The UTF-16 range of the normalized text (the text itself where nothing was normalized) that the token stands for.
/// A token that holds only part of a code point carries the range of the whole code point, so neighbouring ranges may
/// overlap there; a special token that the post-processor adds has an empty range.
/// </param>
public readonly record struct EncodedToken(int Id, string Value, Range Offset);

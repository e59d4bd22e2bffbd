namespace NativeQuant.Models.Tokenizers;

/// <summary>What a tokenizer.json describes. Null where the file has no such component.</summary>
internal sealed record TokenizerComponents(
    Normalizer? Normalizer,
    PreTokenizer? PreTokenizer,
    TokenModel Model,
    PostProcessor? PostProcessor,
    Decoder Decoder,
    AddedVocabulary AddedTokens);

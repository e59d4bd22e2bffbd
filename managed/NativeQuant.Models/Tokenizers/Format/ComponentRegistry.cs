namespace NativeQuant.Models.Tokenizers;

/// <summary>Every component kind a tokenizer.json may name. A new kind is one file and one line here.</summary>
internal static class ComponentRegistry
{
    private static readonly Dictionary<string, Func<ComponentFields, Normalizer>> Normalizers = new(StringComparer.Ordinal)
    {
        ["Sequence"] = SequenceNormalizer.Read,
        ["NFC"] = _ => new UnicodeNormalizer(UnicodeForm.C),
        ["NFD"] = _ => new UnicodeNormalizer(UnicodeForm.D),
        ["NFKC"] = _ => new UnicodeNormalizer(UnicodeForm.KC),
        ["NFKD"] = _ => new UnicodeNormalizer(UnicodeForm.KD),
        ["Replace"] = ReplaceNormalizer.Read,
        ["Prepend"] = PrependNormalizer.Read,
        ["Lowercase"] = _ => new LowercaseNormalizer(),
        ["Strip"] = StripNormalizer.Read,
    };

    private static readonly Dictionary<string, Func<ComponentFields, PreTokenizer>> PreTokenizers = new(StringComparer.Ordinal)
    {
        ["Sequence"] = SequencePreTokenizer.Read,
        ["Split"] = SplitPreTokenizer.Read,
        ["ByteLevel"] = ByteLevelPreTokenizer.Read,
        ["Digits"] = DigitsPreTokenizer.Read,
        ["Punctuation"] = PunctuationPreTokenizer.Read,
        ["Whitespace"] = _ => SplitPreTokenizer.Words(),
        ["WhitespaceSplit"] = _ => SplitPreTokenizer.WhiteSpace(),
        ["CharDelimiterSplit"] = CharDelimiterPreTokenizer.Read,
        ["Metaspace"] = MetaspacePreTokenizer.Read,
    };

    private static readonly Dictionary<string, Func<ModelFields, TokenModel>> Models = new(StringComparer.Ordinal)
    {
        ["BPE"] = BpeModelReader.Read,
    };

    private static readonly Dictionary<string, Func<ComponentFields, PostProcessor>> PostProcessors = new(StringComparer.Ordinal)
    {
        ["Sequence"] = SequencePostProcessor.Read,
        ["ByteLevel"] = _ => new ByteLevelPostProcessor(),
        ["TemplateProcessing"] = TemplatePostProcessor.Read,
        ["RobertaProcessing"] = EnclosingPostProcessor.Read,
        ["BertProcessing"] = EnclosingPostProcessor.Read,
    };

    private static readonly Dictionary<string, Func<ComponentFields, Decoder>> Decoders = new(StringComparer.Ordinal)
    {
        ["Sequence"] = SequenceDecoder.Read,
        ["ByteLevel"] = _ => new ByteLevelDecoder(),
        ["Replace"] = ReplaceDecoder.Read,
        ["ByteFallback"] = _ => new ByteFallbackDecoder(),
        ["Fuse"] = _ => new FuseDecoder(),
        ["Strip"] = StripDecoder.Read,
        ["Metaspace"] = MetaspaceDecoder.Read,
    };

    public static Normalizer Normalizer(ComponentFields fields) => Create(Normalizers, fields, "normalizer");

    public static PreTokenizer PreTokenizer(ComponentFields fields) => Create(PreTokenizers, fields, "pre-tokenizer");

    public static PostProcessor PostProcessor(ComponentFields fields) => Create(PostProcessors, fields, "post-processor");

    public static Decoder Decoder(ComponentFields fields) => Create(Decoders, fields, "decoder");

    public static TokenModel Model(ModelFields fields) => Models.TryGetValue(fields.Kind, out Func<ModelFields, TokenModel>? read)
        ? read(fields)
        : throw TokenizerFormatException.Unsupported($"{fields.Path}.type", "model", fields.Kind, Models.Keys);

    private static T Create<T>(Dictionary<string, Func<ComponentFields, T>> readers, ComponentFields fields, string role) =>
        readers.TryGetValue(fields.Kind, out Func<ComponentFields, T>? read)
            ? read(fields)
            : throw TokenizerFormatException.Unsupported($"{fields.Path}.type", role, fields.Kind, readers.Keys);
}

using System.Text.Json;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Reads tokenizer.json files.</summary>
internal static class TokenizerFile
{
    /// <summary>The largest file that is read at all; the largest known one has 33 MB.</summary>
    private const long MaxBytes = 1L << 30;

    public static TokenizerComponents Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"There is no tokenizer file '{path}'.", path);
        }

        if (new FileInfo(path).Length > MaxBytes)
        {
            throw TokenizerFormatException.Expected("$", $"at most {MaxBytes} bytes", $"{new FileInfo(path).Length}").InFile(path);
        }

        return Parse(File.ReadAllBytes(path), path);
    }

    public static TokenizerComponents Read(Stream stream)
    {
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return Parse(copy.GetBuffer().AsMemory(0, (int)copy.Length), filePath: null);
    }

    private static TokenizerComponents Parse(ReadOnlyMemory<byte> json, string? filePath)
    {
        if (json.Span.StartsWith("\uFEFF"u8))
        {
            json = json[3..];
        }

        try
        {
            return Build(json);
        }
        catch (TokenizerFormatException exception)
        {
            throw exception.InFile(filePath);
        }
        catch (JsonException exception)
        {
            throw TokenizerFormatException.At("$", $"broken JSON: {exception.Message}", exception).InFile(filePath);
        }
    }

    private static TokenizerComponents Build(ReadOnlyMemory<byte> json)
    {
        Dictionary<string, ReadOnlyMemory<byte>> sections = FindSections(json);
        if (!sections.TryGetValue("model", out ReadOnlyMemory<byte> modelJson))
        {
            throw TokenizerFormatException.At("$", "the field 'model' is missing");
        }

        Normalizer? normalizer = ReadComponent(sections, "normalizer", ComponentRegistry.Normalizer);
        PreTokenizer? preTokenizer = ReadComponent(sections, "pre_tokenizer", ComponentRegistry.PreTokenizer);
        PostProcessor? postProcessor = ReadComponent(sections, "post_processor", ComponentRegistry.PostProcessor);
        Decoder decoder = ReadComponent(sections, "decoder", ComponentRegistry.Decoder) ?? new SpaceJoinDecoder();
        TokenModel model = ComponentRegistry.Model(new ModelFields(modelJson, "$.model"));
        var addedTokens = new AddedVocabulary(ReadAddedTokens(sections), model.Vocabulary, normalizer, "$.added_tokens");
        return new TokenizerComponents(normalizer, preTokenizer, model, postProcessor, decoder, addedTokens);
    }

    /// <summary>Checks the whole file for well-formedness and notes where its top-level fields are.</summary>
    private static Dictionary<string, ReadOnlyMemory<byte>> FindSections(ReadOnlyMemory<byte> json)
    {
        var sections = new Dictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);
        var reader = new Utf8JsonReader(json.Span);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw TokenizerFormatException.Expected("$", "an object", reader.TokenType.ToString());
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetText("$");
            reader.Read();
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (!sections.TryAdd(name, json[start..(int)reader.BytesConsumed]))
            {
                throw TokenizerFormatException.At("$", $"the field '{name}' is given twice");
            }
        }

        // The reader accepts nothing after the object but white space.
        reader.Read();
        return sections;
    }

    private static T? ReadComponent<T>(Dictionary<string, ReadOnlyMemory<byte>> sections, string name, Func<ComponentFields, T> read)
        where T : class
    {
        if (!sections.TryGetValue(name, out ReadOnlyMemory<byte> json) || json.Span.SequenceEqual("null"u8))
        {
            return null;
        }

        using JsonDocument document = JsonDocument.Parse(json);
        return read(new ComponentFields(document.RootElement, $"$.{name}"));
    }

    private static List<AddedToken> ReadAddedTokens(Dictionary<string, ReadOnlyMemory<byte>> sections)
    {
        if (!sections.TryGetValue("added_tokens", out ReadOnlyMemory<byte> json) || json.Span.SequenceEqual("null"u8))
        {
            return [];
        }

        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.ValueKind == JsonValueKind.Array
            ? [.. document.RootElement.EnumerateArray().Select((item, index) => AddedToken.Read(new ComponentFields(item, $"$.added_tokens[{index}]")))]
            : throw TokenizerFormatException.Expected("$.added_tokens", "an array", ComponentFields.Describe(document.RootElement));
    }
}

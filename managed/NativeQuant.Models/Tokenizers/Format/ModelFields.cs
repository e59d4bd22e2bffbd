using System.Text;
using System.Text.Json;

namespace NativeQuant.Models.Tokenizers;

/// <summary>The <c>model</c> object of a tokenizer.json: small fields as they are, large ones to be read as a stream of tokens.</summary>
internal sealed class ModelFields
{
    private readonly ReadOnlyMemory<byte> json;
    private readonly Dictionary<string, (int Start, int Length)> sections = new(StringComparer.Ordinal);

    /// <param name="json">The object.</param>
    /// <param name="path">Its place in the file.</param>
    public ModelFields(ReadOnlyMemory<byte> json, string path)
    {
        this.json = json;
        Path = path;
        var reader = new Utf8JsonReader(json.Span);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw TokenizerFormatException.Expected(path, "an object", reader.TokenType.ToString());
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetText(path);
            reader.Read();
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (!sections.TryAdd(name, (start, (int)reader.BytesConsumed - start)))
            {
                throw TokenizerFormatException.At(path, $"the field '{name}' is given twice");
            }
        }
    }

    public string Path { get; }

    /// <summary>The model's <c>type</c>; files from before there was one hold BPE where there are merges.</summary>
    public string Kind => Has("type") ? String("type") : Has("merges") ? "BPE" : "model without a type";

    public bool Has(string name) => sections.TryGetValue(name, out (int Start, int Length) section)
        && !json.Span.Slice(section.Start, section.Length).SequenceEqual("null"u8);

    /// <summary>A reader over one field; the document around it has been checked for well-formedness.</summary>
    public Utf8JsonReader Open(string name) => sections.TryGetValue(name, out (int Start, int Length) section)
        ? new Utf8JsonReader(json.Span.Slice(section.Start, section.Length))
        : throw TokenizerFormatException.At(Path, $"the field '{name}' is missing");

    public string String(string name)
    {
        Utf8JsonReader reader = Open(name);
        reader.Read();
        return reader.TokenType == JsonTokenType.String
            ? reader.GetText($"{Path}.{name}")
            : throw TokenizerFormatException.Expected($"{Path}.{name}", "a string", Describe(name));
    }

    public string? StringOrNull(string name) => Has(name) ? String(name) : null;

    public bool Boolean(string name, bool fallback)
    {
        if (!Has(name))
        {
            return fallback;
        }

        Utf8JsonReader reader = Open(name);
        reader.Read();
        return reader.TokenType is JsonTokenType.True or JsonTokenType.False
            ? reader.GetBoolean()
            : throw TokenizerFormatException.Expected($"{Path}.{name}", "true or false", Describe(name));
    }

    /// <summary>The start of a field's JSON, for messages.</summary>
    public string Describe(string name)
    {
        (int start, int length) = sections[name];
        return Encoding.UTF8.GetString(json.Span.Slice(start, Math.Min(length, 40)));
    }
}

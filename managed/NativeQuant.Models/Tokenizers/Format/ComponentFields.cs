using System.Text.Json;

namespace NativeQuant.Models.Tokenizers;

/// <summary>One component object of a tokenizer.json: typed access to its fields, with errors that say where and what.</summary>
internal readonly struct ComponentFields(JsonElement element, string path)
{
    public string Path => path;

    /// <summary>The component's <c>type</c>.</summary>
    public string Kind => String("type");

    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string name) => Object.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Whether the field, which is there, is an object.</summary>
    public bool IsObject(string name) => Require(name).ValueKind == JsonValueKind.Object;

    public string String(string name) => Read(name, JsonValueKind.String, "a string").GetText($"{path}.{name}");

    /// <summary>A string that is exactly one code point.</summary>
    public string Character(string name)
    {
        string value = String(name);
        return value.Length > 0 && CodePoint.At(value, 0, out int length) >= 0 && length == value.Length
            ? value
            : throw TokenizerFormatException.Expected($"{path}.{name}", "one character", $"'{value}'");
    }

    public bool Boolean(string name)
    {
        JsonElement value = Require(name);
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw TokenizerFormatException.Expected($"{path}.{name}", "true or false", Describe(value));
    }

    public bool Boolean(string name, bool fallback) => Has(name) ? Boolean(name) : fallback;

    /// <summary>A whole number from 0 to <paramref name="max"/>.</summary>
    public int Integer(string name, int max = int.MaxValue)
    {
        JsonElement value = Require(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0 && number <= max
            ? number
            : throw TokenizerFormatException.Expected($"{path}.{name}", $"a whole number from 0 to {max}", Describe(value));
    }

    /// <summary>The objects of an array field.</summary>
    public IEnumerable<ComponentFields> Objects(string name)
    {
        string at = $"{path}.{name}";
        return Read(name, JsonValueKind.Array, "an array").EnumerateArray().Select((item, index) => new ComponentFields(item, $"{at}[{index}]")).ToList();
    }

    /// <summary>An object field.</summary>
    public ComponentFields Fields(string name) => new(Read(name, JsonValueKind.Object, "an object"), $"{path}.{name}");

    /// <summary>The items of an array field as whole numbers ≥ 0.</summary>
    public int[] Integers(string name)
    {
        string at = $"{path}.{name}";
        return [.. Read(name, JsonValueKind.Array, "an array").EnumerateArray().Select((item, index) =>
            item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int number) && number >= 0
                ? number
                : throw TokenizerFormatException.Expected($"{at}[{index}]", "a whole number", Describe(item)))];
    }

    /// <summary>The id of a field of the form <c>["token", id]</c>.</summary>
    public int TokenAndId(string name)
    {
        JsonElement pair = Read(name, JsonValueKind.Array, "an array");
        return pair.GetArrayLength() == 2 && pair[1].ValueKind == JsonValueKind.Number && pair[1].TryGetInt32(out int id) && id >= 0
            ? id
            : throw TokenizerFormatException.Expected($"{path}.{name}", "a token and its id", Describe(pair));
    }

    /// <summary>A pattern field: <c>{"String": text}</c> or <c>{"Regex": pattern}</c>.</summary>
    public TextPattern Pattern(string name)
    {
        ComponentFields pattern = Fields(name);
        if (pattern.Has("String"))
        {
            return new LiteralPattern(pattern.String("String"));
        }

        if (!pattern.Has("Regex"))
        {
            throw TokenizerFormatException.Expected(pattern.Path, "a field String or Regex", "neither");
        }

        try
        {
            return PatternRegistry.Get(pattern.String("Regex"));
        }
        catch (FormatException exception)
        {
            throw TokenizerFormatException.At($"{pattern.Path}.Regex", exception.Message, exception);
        }
    }

    /// <summary>A few words on a value, for messages.</summary>
    public static string Describe(JsonElement value)
    {
        string text = value.GetRawText();
        return value.ValueKind switch
        {
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "an array",
            _ => text.Length <= 40 ? text : text[..40] + "…",
        };
    }

    private JsonElement Object => element.ValueKind == JsonValueKind.Object
        ? element
        : throw TokenizerFormatException.Expected(path, "an object", Describe(element));

    private JsonElement Require(string name) => Object.TryGetProperty(name, out JsonElement value)
        ? value
        : throw TokenizerFormatException.At(path, $"the field '{name}' is missing");

    private JsonElement Read(string name, JsonValueKind kind, string expected)
    {
        JsonElement value = Require(name);
        return value.ValueKind == kind ? value : throw TokenizerFormatException.Expected($"{path}.{name}", expected, Describe(value));
    }
}

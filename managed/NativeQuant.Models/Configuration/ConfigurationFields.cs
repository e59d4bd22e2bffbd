using System.Globalization;
using System.Text.Json;

namespace NativeQuant.Models;

/// <summary>
/// Typed access to the fields of one JSON object of a configuration file. A field that is null counts as absent, as in Python, where both are None.
/// </summary>
internal readonly struct ConfigurationFields(JsonElement fields, string path, string prefix = "")
{
    private const long MaximumFileBytes = 16 << 20;

    public JsonElement Json => fields;

    /// <summary>Reads a file as one JSON object.</summary>
    /// <exception cref="ConfigurationException">It cannot be read, is larger than 16 MiB or is not a JSON object.</exception>
    public static ConfigurationFields FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            long length = new FileInfo(path).Length;
            return length <= MaximumFileBytes ? Parse(File.ReadAllBytes(path), path) : throw ConfigurationErrors.TooLarge(path, length, MaximumFileBytes);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw ConfigurationErrors.NotReadable(path, exception);
        }
    }

    public static ConfigurationFields Parse(ReadOnlyMemory<byte> json, string path)
    {
        JsonElement root;
        try
        {
            // Cloned, so that nothing has to be disposed by whoever keeps the configuration.
            using JsonDocument document = JsonDocument.Parse(json);
            root = document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw ConfigurationErrors.NotJson(path, exception);
        }
        return root.ValueKind == JsonValueKind.Object
            ? new ConfigurationFields(root, path)
            : throw ConfigurationErrors.Misfit(path, "", "a JSON object", Describe(root));
    }

    /// <summary>The value under a name, unless it is absent or null.</summary>
    public bool TryGet(string name, out JsonElement value)
    {
        try
        {
            return fields.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
        }
        catch (InvalidOperationException exception)
        {
            // Some name has an escaped surrogate without its other half, so that names cannot be compared.
            throw ConfigurationErrors.NotJson(path, exception);
        }
    }

    /// <summary>The object under a name, or null.</summary>
    public ConfigurationFields? Object(string name)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.Object
            ? new ConfigurationFields(value, path, $"{prefix}{name}.")
            : throw Misfit(name, "an object or null", value);
    }

    public int RequiredInt32(string name, int minimum, int maximum) =>
        Int32(name, minimum, maximum) ?? throw Missing(name, $"an integer from {minimum} to {maximum}");

    public int? Int32(string name, int minimum, int maximum)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= minimum && number <= maximum
            ? number
            : throw Misfit(name, $"an integer from {minimum} to {maximum}", value);
    }

    public double RequiredDouble(string name, double minimum, double maximum) =>
        Double(name, minimum, maximum) ?? throw Missing(name, Between(minimum, maximum));

    public double? Double(string name, double minimum, double maximum)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= minimum && number <= maximum
            ? number
            : throw Misfit(name, Between(minimum, maximum), value);
    }

    public bool? Boolean(string name)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Misfit(name, "true or false", value);
    }

    public string? String(string name)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.String && TryGetText(value, out string text) ? text : throw Misfit(name, "a string", value);
    }

    public IReadOnlyList<string>? Strings(string name)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        List<string> texts = [];
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Misfit(name, "a list of strings", value);
        }
        foreach (JsonElement item in value.EnumerateArray())
        {
            texts.Add(item.ValueKind == JsonValueKind.String && TryGetText(item, out string text) ? text : throw Misfit(name, "a list of strings", item));
        }
        return texts;
    }

    /// <summary>One token id or a list of them. -1 stands for none in some files.</summary>
    public IReadOnlyList<int> TokenIds(string name)
    {
        const string Expected = "a token id, a list of token ids or null";
        if (!TryGet(name, out JsonElement value))
        {
            return [];
        }
        List<int> ids = [];
        foreach (JsonElement item in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value])
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out int id) || id < -1)
            {
                throw Misfit(name, Expected, item);
            }
            if (id >= 0)
            {
                ids.Add(id);
            }
        }
        return ids.AsReadOnly();
    }

    public int? TokenId(string name) => TokenIds(name) is [int id, ..] ? id : null;

    public ConfigurationException Misfit(string name, string expected, JsonElement got) =>
        ConfigurationErrors.Misfit(path, prefix + name, expected, Describe(got));

    public ConfigurationException Misfit(string name, string expected, string got) => ConfigurationErrors.Misfit(path, prefix + name, expected, got);

    public ConfigurationException Missing(string name, string expected) => ConfigurationErrors.Missing(path, prefix + name, expected);

    public ConfigurationException Invalid(string name, string expected, Exception cause) => ConfigurationErrors.Invalid(path, prefix + name, expected, cause);

    private static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        _ => value.GetRawText(),
    };

    private static string Between(double minimum, double maximum) =>
        string.Create(CultureInfo.InvariantCulture, $"a number from {minimum} to {maximum}");

    private static bool TryGetText(JsonElement value, out string text)
    {
        try
        {
            text = value.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            // An escaped surrogate without its other half.
            text = "";
            return false;
        }
    }
}

using System.Text.Json;

namespace NativeQuant.Models.Tokenizers;

/// <summary>The special tokens that tokenizer_config.json names.</summary>
internal sealed record SpecialTokenNames(string? Bos, string? Eos, string? Pad, string? Unknown)
{
    public static SpecialTokenNames None { get; } = new(null, null, null, null);

    /// <summary>Reads the file; none are known where there is no such file.</summary>
    public static SpecialTokenNames Read(string path)
    {
        if (!File.Exists(path))
        {
            return None;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            var fields = new ComponentFields(document.RootElement, "$");
            return new SpecialTokenNames(NameOf(fields, "bos_token"), NameOf(fields, "eos_token"), NameOf(fields, "pad_token"), NameOf(fields, "unk_token"));
        }
        catch (TokenizerFormatException exception)
        {
            throw exception.InFile(path);
        }
        catch (JsonException exception)
        {
            throw TokenizerFormatException.At("$", $"broken JSON: {exception.Message}", exception).InFile(path);
        }
    }

    /// <summary>A token is given as its text, or as an object with the text as its content.</summary>
    private static string? NameOf(ComponentFields fields, string name) =>
        !fields.Has(name) ? null : fields.IsObject(name) ? fields.Fields(name).String("content") : fields.String(name);
}

using System.Text.Json;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Strings of a JSON document; an escape that gives no valid text (half a surrogate pair) is a format error here.</summary>
internal static class JsonText
{
    public static string GetText(this JsonElement element, string path)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw TokenizerFormatException.At(path, "the string holds invalid UTF-8 or half a surrogate pair", exception);
        }
    }

    public static string GetText(this ref Utf8JsonReader reader, string path)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw TokenizerFormatException.At(path, "the string holds invalid UTF-8 or half a surrogate pair", exception);
        }
    }
}

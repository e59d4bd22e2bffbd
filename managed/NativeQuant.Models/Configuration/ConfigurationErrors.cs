namespace NativeQuant.Models;

/// <summary>Builds every exception of this folder, so that no message text stands at a throw site.</summary>
internal static class ConfigurationErrors
{
    private const int LongestQuote = 96;

    public static ConfigurationException NotReadable(string path, Exception cause) =>
        new(path, "", "a readable JSON file", cause.Message, cause);

    public static ConfigurationException TooLarge(string path, long length, long maximum) =>
        new(path, "", $"at most {maximum} bytes", $"{length} bytes");

    public static ConfigurationException NotJson(string path, Exception cause) =>
        new(path, "", "a JSON object", $"invalid JSON: {cause.Message}", cause);

    public static ConfigurationException Missing(string path, string field, string expected) =>
        new(path, field, expected, "no such field");

    public static ConfigurationException Misfit(string path, string field, string expected, string got) =>
        new(path, field, expected, got.Length <= LongestQuote ? got : string.Concat(got.AsSpan(0, LongestQuote), "…"));

    public static ConfigurationException Invalid(string path, string field, string expected, Exception cause) =>
        new(path, field, expected, cause.Message, cause);
}

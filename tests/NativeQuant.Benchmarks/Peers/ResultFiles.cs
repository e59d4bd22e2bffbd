using System.Text.Json;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>How results are written and read.</summary>
internal static class ResultFiles
{
    /// <summary>Indented, names in camel case.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>The results of one kind in a folder, oldest first; none if there is no such folder.</summary>
    public static IEnumerable<T> Read<T>(string folder)
    {
        if (!Directory.Exists(folder))
        {
            yield break;
        }
        foreach (string path in Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            yield return JsonSerializer.Deserialize<T>(File.ReadAllText(path), Options) ?? throw new InvalidDataException($"{path} is empty");
        }
    }
}

using System.Text.Json;

namespace NativeQuant.Benchmarks.Report;

/// <summary>One row of a native benchmark: its name's parts and its counters.</summary>
/// <param name="Name">The name without what Google Benchmark adds.</param>
/// <param name="Counters">Figures by name.</param>
internal sealed record NativeRow(string Name, IReadOnlyDictionary<string, double> Counters)
{
    /// <summary>A counter, or null.</summary>
    public double? this[string counter] => Counters.TryGetValue(counter, out double value) ? value : null;
}

/// <summary>The JSON that a native benchmark leaves.</summary>
internal static class NativeResults
{
    /// <summary>The rows of a file; none if it is not there.</summary>
    public static IReadOnlyList<NativeRow> Read(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        return [.. document.RootElement.GetProperty("benchmarks").EnumerateArray().Select(Row)];
    }

    private static NativeRow Row(JsonElement benchmark)
    {
        string name = benchmark.GetProperty("name").GetString()!;
        int end = name.IndexOf("/iterations:", StringComparison.Ordinal);
        return new NativeRow(
            end < 0 ? name : name[..end],
            benchmark.EnumerateObject()
                .Where(static p => p.Value.ValueKind == JsonValueKind.Number)
                .ToDictionary(static p => p.Name, static p => p.Value.GetDouble()));
    }
}

using NativeQuant.Benchmarks.Peers;

namespace NativeQuant.Benchmarks.Report;

/// <summary>A comparison end to end as a table.</summary>
internal static class ModelTable
{
    /// <summary>One row for each entrant.</summary>
    public static TextTable Of(ModelResult result)
    {
        string threads = result.Threads == 1 ? "one thread, CPU time" : $"{result.Threads} threads, wall time";
        double? bandwidth = result.Entries.FirstOrDefault(static e => e.Library == "machine") is { } limit ? Rate(limit, result) : null;
        return new TextTable(
            $"{result.Name}: {result.Request}, {threads}{(result.Busy ? ", beside a busy process" : "")}",
            ["library", "type", "tokens/s", "GB/s", "of DRAM read", "util", "speed, ours / it"],
            [.. result.Entries.Select(entry => Row(result, entry, bandwidth))])
        {
            FirstNumber = 2,
            Notes = [.. result.Absent.Select(static a => $"without {a.Entrant}: {a.Reason}")],
        };
    }

    private static string[] Row(ModelResult result, ModelEntry entry, double? bandwidth)
    {
        bool limit = entry.Library == "machine", decode = result.Request.StartsWith("decode", StringComparison.Ordinal);
        return
        [
            entry.Library, entry.Type,
            limit ? "" : Format.Number(1 / entry.Seconds(result.Threads), "0.0"),
            decode ? Format.Number(Rate(entry, result) * 1e-9, "0.0") : "",
            decode && !limit ? Format.Number(Rate(entry, result) / bandwidth, "0.00") : "",
            Format.Number(entry.CpuSeconds / entry.WallSeconds, "0.00"),
            limit || entry == result.Entries[0] ? "" : Format.Number(entry.Ratio, "0.00"),
        ];
    }

    private static double Rate(ModelEntry entry, ModelResult result) => entry.Bytes / entry.Seconds(result.Threads);
}

using NativeQuant.Benchmarks.Peers;

namespace NativeQuant.Benchmarks.Report;

/// <summary>A comparison of products as a table.</summary>
internal static class KernelTable
{
    /// <summary>One row for each entrant.</summary>
    public static TextTable Of(KernelResult result)
    {
        string threads = result.Threads == 1 ? "one thread, CPU time" : $"{result.Threads} threads, wall time";
        return new TextTable(
            $"{result.Name}: W {result.Rows} x {result.Columns}, {(result.M == 1 ? "one row" : $"{result.M} rows")} of x, {threads}",
            ["library", "type", "kernel", "ms", "GB/s", "GFLOP/s", "util", "error", "time, ours / it"],
            [.. result.Entries.Select(entry => Row(result, entry))])
        {
            FirstNumber = 3,
            Notes = [.. result.Absent.Select(static a => $"without {a.Entrant}: {a.Reason}")],
        };
    }

    private static string[] Row(KernelResult result, KernelEntry entry)
    {
        double seconds = entry.Seconds(result.Threads);
        double operations = 2.0 * result.M * result.Rows * result.Columns;
        bool limit = entry.Library == "machine", memory = limit && entry.Bytes > 0;
        bool part = entry.Detail == "dequantization alone"; // its time says nothing of more rows
        return
        [
            entry.Library, entry.Type, entry.Detail,
            memory ? "" : Format.Number(seconds * 1e3, "0.000"),
            entry.Bytes > 0 && (result.M <= 16) ? Format.Number(entry.Bytes / seconds * 1e-9, "0.0") : "",
            memory || part ? "" : Format.Number(operations / seconds * 1e-9, "0"),
            Format.Number(entry.CpuSeconds / entry.WallSeconds, "0.00"),
            limit ? "" : Format.Number(entry.Error, "0.0000"),
            limit || entry == result.Entries[0] || (part && result.M > 1) ? "" : Format.Number(entry.Ratio, "0.00"),
        ];
    }
}

using System.Globalization;
using NativeQuant.Benchmarks.Peers;
using Spectre.Console;

namespace NativeQuant.Benchmarks.Report;

/// <summary>A comparison end to end as a table.</summary>
internal static class ModelTable
{
    /// <summary>One row for each entrant.</summary>
    public static void Print(IAnsiConsole console, ModelResult result)
    {
        string beside = result.Busy ? ", beside a busy process" : "";
        Table table = new Table().Title($"{result.Name}: {result.Request}, {result.Threads} threads{beside}").Border(TableBorder.Rounded);
        table.AddColumns("library", "type");
        foreach (string name in (string[])["tokens/s", "GB/s", "of DRAM read", "util", "ours / it"])
        {
            table.AddColumn(new TableColumn(name).RightAligned());
        }
        bool decode = result.Request.StartsWith("decode", StringComparison.Ordinal);
        double? bandwidth = result.Entries.FirstOrDefault(static e => e.Library == "machine") is { } limit ? Rate(limit, result) : null;
        foreach (ModelEntry entry in result.Entries)
        {
            bool isLimit = entry.Library == "machine";
            table.AddRow(
                entry.Library,
                entry.Type,
                isLimit ? "" : Text(1 / entry.Seconds(result.Threads), "0.0"),
                decode ? Text(Rate(entry, result) * 1e-9, "0.0") : "",
                decode && !isLimit && bandwidth is { } read ? Text(Rate(entry, result) / read, "0.00") : "",
                Text(entry.CpuSeconds / entry.WallSeconds, "0.00"),
                isLimit || entry == result.Entries[0] ? "" : Text(entry.Ratio, "0.00"));
        }
        console.Write(table);
        foreach (Absentee absentee in result.Absent)
        {
            console.MarkupLineInterpolated($"  without {absentee.Entrant}: {absentee.Reason}");
        }
    }

    private static double Rate(ModelEntry entry, ModelResult result) => entry.Bytes / entry.Seconds(result.Threads);

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

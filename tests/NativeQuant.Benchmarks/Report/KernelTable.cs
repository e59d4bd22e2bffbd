using System.Globalization;
using NativeQuant.Benchmarks.Peers;
using Spectre.Console;

namespace NativeQuant.Benchmarks.Report;

/// <summary>A case as a table.</summary>
internal static class KernelTable
{
    /// <summary>One row for each entrant, the fastest rival's ratio in bold.</summary>
    public static void Print(IAnsiConsole console, KernelResult result)
    {
        Table table = new Table().Title($"{result.Name}: W {result.Rows} x {result.Columns}, {result.M} rows of x, {Threads(result.Threads)}").Border(TableBorder.Rounded);
        table.AddColumns("library", "type", "kernel");
        foreach (string name in (string[])["ms", "GB/s", "GFLOP/s", "util", "error", "ours / it"])
        {
            table.AddColumn(new TableColumn(name).RightAligned());
        }
        foreach (KernelEntry entry in result.Entries)
        {
            double seconds = entry.Seconds(result.Threads);
            double operations = 2.0 * result.M * result.Rows * result.Columns;
            bool limit = entry.Library == "machine";
            table.AddRow(
                entry.Library,
                Markup.Escape(entry.Type),
                Markup.Escape(entry.Detail),
                Text(seconds * 1e3, "0.000"),
                entry.Bytes > 0 ? Text(entry.Bytes / seconds * 1e-9, "0.0") : "",
                limit && entry.Bytes > 0 ? "" : Text(operations / seconds * 1e-9, "0"),
                Text(entry.CpuSeconds / entry.WallSeconds, "0.00"),
                limit ? "" : Text(entry.Error, "0.0000"),
                limit || entry == result.Entries[0] ? "" : Text(entry.Ratio, "0.00"));
        }
        console.Write(table);
        foreach (Absentee absentee in result.Absent)
        {
            console.MarkupLineInterpolated($"  without {absentee.Entrant}: {absentee.Reason}");
        }
    }

    private static string Threads(int count) => count == 1 ? "one thread, CPU time" : $"{count} threads, wall time";

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}

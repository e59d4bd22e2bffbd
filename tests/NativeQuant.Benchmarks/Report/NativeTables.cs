namespace NativeQuant.Benchmarks.Report;

/// <summary>The results of the native benchmarks as tables.</summary>
internal static class NativeTables
{
    private static readonly string[] RowsOfX = ["1", "2", "4", "8", "16", "32", "128", "512"];

    /// <summary>All tables for which there are results in a folder.</summary>
    public static IEnumerable<TextTable> Of(string folder)
    {
        IReadOnlyList<NativeRow> limits = NativeResults.Read(Path.Combine(folder, "limits.json"));
        if (limits.Count > 0)
        {
            yield return new TextTable("Limits of the machine", ["limit", "median", "fastest tenth"], [.. limits.Select(Limit)]);
        }
        IReadOnlyList<NativeRow> linear = NativeResults.Read(Path.Combine(folder, "linear.json"));
        foreach (IGrouping<string, (string[] Parts, NativeRow Row)> group in linear.Select(static r => (Parts: r.Name.Split('/'), Row: r)).GroupBy(static r => $"{r.Parts[^1]}/{r.Parts[2]}/{r.Parts[3]}"))
        {
            string[] key = group.Key.Split('/');
            string threads = key[0] == "threads:1" ? "one thread, CPU time" : key[0].Replace("threads:", "", StringComparison.Ordinal) + " threads, wall time";
            foreach (bool fraction in (bool[])[false, true])
            {
                yield return new TextTable(
                    fraction ? $"The same as fractions of the limit (DRAM read / multiply-adds)" : $"{key[1]}, W {key[2]}, {threads}: GB/s of weights (m = 1), GFLOP/s",
                    ["weights", .. RowsOfX.Select(static m => "m = " + m)],
                    [.. group.GroupBy(static r => $"{r.Parts[0]}/{r.Parts[1]}").Select(f => Linear(f.Key, [.. f], fraction))]);
            }
        }
        foreach (string kind in (string[])["formats", "attention"])
        {
            IReadOnlyList<NativeRow> rows = NativeResults.Read(Path.Combine(folder, kind + ".json"));
            if (rows.Count > 0)
            {
                yield return new TextTable(
                    kind == "formats" ? "Quantizers, dequantizers and import" : "Attention",
                    ["operation", "ms", "Gelement/s", "GB/s", "GFLOP/s", "of copy", "of DRAM", "of FMA"],
                    [.. rows.Select(Operation)]);
            }
        }
    }

    private static string[] Limit(NativeRow row)
    {
        string unit = row["GB/s"] is null ? "GFLOP/s" : "GB/s";
        return [row.Name["limits/".Length..], $"{Format.Rate(row[unit])} {unit}", $"{Format.Rate(row["best_" + unit])} {unit}"];
    }

    private static string[] Linear(string format, (string[] Parts, NativeRow Row)[] rows, bool fraction) =>
    [
        format,
        .. RowsOfX.Select(m => Array.Find(rows, r => r.Parts[^2] == "m:" + m) is { Row: { } row }
            ? fraction
                ? string.Join(" / ", ((double?[])[row["of_DRAM"], row["of_peak"]]).Where(static f => f is not null).Select(static f => Format.Number(f, "0.00")))
                : Format.Rate(m == "1" ? row["GB/s"] : row["GFLOP/s"])
            : ""),
    ];

    private static string[] Operation(NativeRow row) =>
    [
        row.Name,
        Format.Rate(row["wall_ms"] ?? row["real_time"]), Format.Number(row["Gelement/s"], "0.00"), Format.Rate(row["GB/s"]), Format.Rate(row["GFLOP/s"]),
        Format.Number(row["of_copy"], "0.00"), Format.Number(row["of_DRAM"], "0.00"), Format.Number(row["of_FMA"], "0.00"),
    ];
}

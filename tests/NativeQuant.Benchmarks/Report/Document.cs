using System.Text;
using NativeQuant.Benchmarks.Peers;

namespace NativeQuant.Benchmarks.Report;

/// <summary>Writes the results that are there as docs/benchmarks-results.md and docs/benchmarks.svg.</summary>
internal static class Document
{
    private static readonly (string Case, string Title)[] ModelPanels =
    [
        ("model-decode-1t", "Decode, one thread (tokens/s, more is better)"),
        ("model-decode-2t", "Decode, two threads (tokens/s, more is better)"),
        ("model-prefill-2t", "Prefill of 512, two threads (tokens/s, more is better)"),
        ("model-decode-busy", "Decode beside a busy process, two threads (tokens/s)"),
    ];

    private static readonly (string Case, string Title)[] KernelPanels =
    [
        ("4bit-decode-1t", "4 bits, one row (ms, less is better)"),
        ("8bit-decode-1t", "8 bits, one row (ms, less is better)"),
        ("4bit-m512-1t", "4 bits, 512 rows (ms, less is better)"),
        ("8bit-m512-1t", "8 bits, 512 rows (ms, less is better)"),
    ];

    private static readonly Dictionary<string, string> Names = new()
    {
        ["nativequant"] = "NativeQuant",
        ["onnxruntime"] = "ONNX Runtime",
        ["onednn"] = "oneDNN",
        ["nf4"] = "NF4",
        ["nf4_nested"] = "NF4+DQ",
        ["nf4_nested_int8"] = "NF4+DQ, int8 x",
        ["nf4_nested_bf16"] = "NF4+DQ, bf16",
        ["nf4_nested_int8_head"] = "NF4+DQ, int8 head",
        ["nf4_nested_bf16_head"] = "NF4+DQ, bf16 head",
        ["int8_outliers"] = "int8, 1 % outliers",
    };

    // A bar of more times the shortest one would leave no room for the others.
    private const double LongestBar = 4;

    /// <summary>Writes both files.</summary>
    /// <param name="results">The folder of the results.</param>
    /// <param name="docs">The folder of the documents.</param>
    public static void Write(string results, string docs)
    {
        KernelResult[] kernels = [.. ResultFiles.Read<KernelResult>(Path.Combine(results, "kernels"))];
        ModelResult[] models = [.. ResultFiles.Read<ModelResult>(Path.Combine(results, "models"))];
        var text = new StringBuilder("# Benchmark results\n\nWritten by `./build.sh bench-document` from the results of `./build.sh bench` and `./build.sh bench-peers`; what the figures mean is in\n[benchmarks.md](benchmarks.md).\n\n");
        AppendOrigin(text, kernels, models);
        text.AppendLine("## Models").AppendLine();
        foreach (ModelResult result in models)
        {
            ModelTable.Of(result).AppendMarkdown(text);
        }
        text.AppendLine("## Products").AppendLine();
        foreach (KernelResult result in kernels)
        {
            KernelTable.Of(result).AppendMarkdown(text);
        }
        text.AppendLine("## NativeQuant alone").AppendLine();
        foreach (TextTable table in NativeTables.Of(results))
        {
            table.AppendMarkdown(text);
        }
        File.WriteAllText(Path.Combine(docs, "benchmarks-results.md"), text.ToString().TrimEnd() + "\n");
        BarPanel[] panels =
        [
            .. ModelPanels.Select(p => ModelPanel(p.Title, models.FirstOrDefault(m => m.Name == p.Case))).OfType<BarPanel>(),
            .. KernelPanels.Select(p => KernelPanel(p.Title, kernels.FirstOrDefault(k => k.Name == p.Case))).OfType<BarPanel>(),
        ];
        File.WriteAllText(Path.Combine(docs, "benchmarks.svg"), BarChart.Draw("NativeQuant beside llama.cpp, ONNX Runtime and oneDNN", panels));
    }

    private static void AppendOrigin(StringBuilder text, KernelResult[] kernels, ModelResult[] models)
    {
        Machine? machine = kernels.Select(static k => k.Machine).Concat(models.Select(static m => m.Machine)).FirstOrDefault();
        if (machine is not null)
        {
            DateTime date = kernels.Select(static k => k.Date).Concat(models.Select(static m => m.Date)).Max();
            text.AppendLine(Invariant($"{machine.Processor}, {machine.Processors} processors ({machine.Features}), {machine.MemoryGibibytes} GiB, {machine.System}; {date:yyyy-MM-dd}.")).AppendLine();
            IEnumerable<string> versions = kernels.SelectMany(static k => k.Entries).Select(static e => e.Version).Concat(models.SelectMany(static m => m.Entries).Select(static e => e.Version));
            text.AppendJoin("; ", versions.Where(static v => v != "measured").Distinct().Order(StringComparer.Ordinal)).AppendLine(".").AppendLine();
        }
    }

    private static BarPanel? ModelPanel(string title, ModelResult? result) => result is null ? null : new BarPanel(
        title, "0.0", [.. result.Entries.Where(static e => e.Library != "machine").Select(e => new Bar(Label(e.Library, e.Type), 1 / e.Seconds(result.Threads), e.Library == "nativequant"))]);

    private static BarPanel? KernelPanel(string title, KernelResult? result)
    {
        if (result is null)
        {
            return null;
        }
        Bar[] bars = [.. result.Entries.Where(static e => e.Library is not ("machine" or "bitsandbytes")).Select(e => new Bar(Label(e.Library, e.Type), e.Seconds(result.Threads) * 1e3, e.Library == "nativequant"))];
        double shortest = bars.Min(static b => b.Value);
        return new BarPanel(title, "0.00", [.. bars.Where(b => b.Value <= LongestBar * shortest)]);
    }

    private static string Label(string library, string type) => $"{Names.GetValueOrDefault(library, library)} {Names.GetValueOrDefault(type, type)}";

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}

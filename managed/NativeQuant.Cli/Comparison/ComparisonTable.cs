using System.Text.Json;
using NativeQuant.Cli.Output;
using Spectre.Console;

namespace NativeQuant.Cli.Comparison;

/// <summary>Shows a comparison as a table and its continuations below it, or as JSON.</summary>
internal static class ComparisonTable
{
    public static void WriteText(Terminal terminal, ComparisonSettings settings, IReadOnlyList<ComparisonResult> results)
    {
        Table table = terminal.CreateTable();
        table.AddColumn("format", static column => column.NoWrap());
        foreach (string heading in (string[])["bits/param, linear layers", "bits/param, model", "weights", "load peak extra", "load time", "prefill tok/s", "decode tok/s", "perplexity", "vs fp32"])
        {
            table.AddColumn(heading, static column => column.Alignment(Justify.Right));
        }
        foreach (ComparisonResult result in results)
        {
            table.AddRow(
                Markup.Escape(result.Format),
                Units.Format($"{result.LinearBitsPerParameter:0.000}"),
                Units.Format($"{result.BitsPerParameter:0.000}"),
                Units.Bytes(result.WeightBytes),
                Units.Bytes(result.PeakExtraLoadBytes),
                Units.Seconds(result.LoadTime),
                Units.Format($"{result.Throughput.PrefillTokensPerSecond:0}"),
                Units.Format($"{result.Throughput.DecodeTokensPerSecond:0}"),
                Units.Format($"{result.Perplexity:0.0000}"),
                Units.Format($"{result.PerplexityChangePercent(results[0]):+0.000;-0.000;0.000} %"));
        }
        terminal.Write(table);
        terminal.Output.WriteLine();
        terminal.Output.WriteLine(Units.Format($"Greedy continuations of \"{settings.Prompt}\", {settings.ContinuationTokens} tokens:"));
        foreach (ComparisonResult result in results)
        {
            terminal.Output.WriteLine($"  {result.Format}: {OneLine(result.Continuation)}");
        }
    }

    public static void WriteJson(Utf8JsonWriter writer, ComparisonSettings settings, Device device, IReadOnlyList<ComparisonResult> results)
    {
        writer.WriteString("model", settings.Folder);
        writer.WriteString("device", device.Kind);
        writer.WriteString("implementation", device.Implementation);
        writer.WriteNumber("threads", device.ThreadCount);
        writer.WriteString("prompt", settings.Prompt);
        writer.WriteStartArray("formats");
        foreach (ComparisonResult result in results)
        {
            writer.WriteStartObject();
            writer.WriteString("format", result.Format);
            writer.WriteNumberOrNull("linear_bits_per_parameter", result.LinearBitsPerParameter);
            writer.WriteNumberOrNull("bits_per_parameter", result.BitsPerParameter);
            writer.WriteNumber("weight_bytes", result.WeightBytes);
            writer.WriteNumber("load_peak_extra_bytes", result.PeakExtraLoadBytes);
            writer.WriteNumberOrNull("load_seconds", result.LoadTime.TotalSeconds);
            writer.WriteNumberOrNull("prefill_tokens_per_second", result.Throughput.PrefillTokensPerSecond);
            writer.WriteNumberOrNull("decode_tokens_per_second", result.Throughput.DecodeTokensPerSecond);
            writer.WriteNumberOrNull("perplexity", result.Perplexity);
            writer.WriteNumberOrNull("perplexity_change_percent", result.PerplexityChangePercent(results[0]));
            writer.WriteString("continuation", result.Continuation);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static string OneLine(string text) => text.ReplaceLineEndings("\\n");
}

using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

[TestFixture]
internal sealed class CompareCommandTests
{
    private static readonly string[] Arguments =
    [
        "compare", Repository.TinyLlama, "--text", Path.Combine(Repository.TinyLlama, "own-text.txt"), "--max-windows", "4", "--max-new-tokens", "6",
    ];

    private static readonly string[] Formats = ["fp32", "bf16", "LLM.int8()", "FP4", "NF4", "NF4 + double quantization"];

    [Test]
    public async Task It_measures_six_formats_and_the_figures_are_sane()
    {
        JsonElement comparison = await CommandLine.RunJsonAsync(Arguments);

        JsonElement[] formats = [.. comparison.GetProperty("formats").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(formats.Select(static format => format.GetProperty("format").GetString()), Is.EqualTo(Formats));
            Assert.That(Numbers("linear_bits_per_parameter"), Is.EqualTo(new[] { 32, 16, 8.106, 4.5, 4.5, 4.127 }).Within(0.0005));
            Assert.That(Numbers("bits_per_parameter"), Is.EqualTo(new[] { 32, 16, 9.622, 6.709, 6.709, 6.408 }).Within(0.0005));
            Assert.That(Numbers("weight_bytes"), Is.Ordered.Descending);
            Assert.That(Numbers("load_peak_extra_bytes"), Has.All.InRange(0, 64 << 20));
            Assert.That(Numbers("load_seconds"), Has.All.InRange(0, 60));
            Assert.That(Numbers("prefill_tokens_per_second"), Has.All.GreaterThan(0));
            Assert.That(Numbers("decode_tokens_per_second"), Has.All.GreaterThan(0));
            Assert.That(Numbers("perplexity_change_percent")[0], Is.Zero);
            Assert.That(Numbers("perplexity_change_percent"), Has.All.InRange(-5, 5));
            Assert.That(formats.Select(static format => format.GetProperty("continuation").GetString()), Has.All.Not.Empty);
        });

        double[] Numbers(string name) => [.. formats.Select(format => format.GetProperty(name).GetDouble())];
    }

    [Test]
    public async Task The_table_is_markdown_where_output_is_no_terminal()
    {
        CommandResult result = await CommandLine.RunAsync(Arguments);

        string[] rows = [.. result.Output.Split('\n').Where(static line => line.StartsWith('|'))];

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.ToString());
            Assert.That(rows, Has.Length.EqualTo(2 + Formats.Length));
            Assert.That(rows.Select(static row => row.Count(static character => character == '|')), Has.All.EqualTo(11));
            Assert.That(result.Error, Does.Contain("NF4: loading: done in"));
        });
    }

    [Test]
    public async Task A_model_that_is_already_quantized_is_refused()
    {
        using TemporaryFolder folder = new();
        string quantized = folder.Combine("quantized");
        await CommandLine.RunJsonAsync("quantize", Repository.TinyLlama, quantized, "--load-in-8bit");

        CommandResult result = await CommandLine.RunAsync(["compare", quantized, .. Arguments[2..]]);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure), result.ToString());
            Assert.That(result.Error, Does.Contain("error: ").And.Contain(quantized).And.Contain("is already quantized"));
        });
    }
}

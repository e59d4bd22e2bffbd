using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

[TestFixture]
internal sealed class InspectCommandTests
{
    private const long TinyLlamaParameters = 5_475_584;

    private static readonly string Golden = Path.Combine(Repository.Root, "tests", "data", "golden", "bitsandbytes");

    [Test]
    public async Task It_counts_every_parameter_and_byte()
    {
        JsonElement model = await CommandLine.RunJsonAsync("inspect", Repository.TinyLlama);

        JsonElement[] weights = [.. model.GetProperty("weights").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(model.GetProperty("architecture").GetString(), Is.EqualTo("LlamaForCausalLM"));
            Assert.That(model.GetProperty("supported").GetBoolean());
            Assert.That(model.GetProperty("quantization_config").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(model.GetProperty("parameters").GetInt64(), Is.EqualTo(TinyLlamaParameters));
            Assert.That(weights.Sum(static weight => weight.GetProperty("bytes").GetInt64()), Is.EqualTo(2 * TinyLlamaParameters));
            Assert.That(weights, Has.All.Matches<JsonElement>(static weight => weight.GetProperty("format").ValueEquals("bf16")));
        });
    }

    [TestCase("fp32", 32.0, 32.0)]
    [TestCase("bf16", 16.0, 16.0)]
    [TestCase("int8", 8.106, 9.622)]
    [TestCase("nf4", 4.5, 6.709)]
    [TestCase("nf4 + double quantization", 4.127, 6.408)]
    public async Task It_tells_the_cost_of_every_format(string format, double linearBits, double bits)
    {
        JsonElement model = await CommandLine.RunJsonAsync("inspect", Repository.TinyLlama);

        JsonElement cost = model.GetProperty("memory").EnumerateArray().Single(entry => entry.GetProperty("format").ValueEquals(format));

        Assert.Multiple(() =>
        {
            Assert.That(cost.GetProperty("linear_bits_per_parameter").GetDouble(), Is.EqualTo(linearBits).Within(0.0005));
            Assert.That(cost.GetProperty("bits_per_parameter").GetDouble(), Is.EqualTo(bits).Within(0.0005));
        });
    }

    [TestCase("ckpt_nf4_double_quant", "nf4 + double quantization", 4.128)]
    [TestCase("ckpt_fp4_plain_bf16", "fp4", 4.5)]
    [TestCase("ckpt_nf4_storage_bf16", "nf4", 4.5)]
    [TestCase("ckpt_int8", "int8", 8.25)]
    public async Task It_reads_the_quantization_state_that_bitsandbytes_wrote(string folder, string format, double bits)
    {
        JsonElement model = await CommandLine.RunJsonAsync("inspect", Path.Combine(Golden, folder));

        JsonElement weight = model.GetProperty("weights").EnumerateArray().Single(static entry => entry.GetProperty("name").ValueEquals("model.layers.0.self_attn.q_proj.weight"));

        Assert.Multiple(() =>
        {
            Assert.That(weight.GetProperty("format").GetString(), Is.EqualTo(format));
            Assert.That(weight.GetProperty("quantized").GetBoolean());
            Assert.That(weight.GetProperty("shape").GetArrayLength(), Is.EqualTo(2), "the shape before quantization");
            Assert.That(8.0 * weight.GetProperty("bytes").GetInt64() / weight.GetProperty("parameters").GetInt64(), Is.EqualTo(bits).Within(0.0005));
            Assert.That(model.GetProperty("quantization_config").GetProperty("quant_method").GetString(), Is.EqualTo("bitsandbytes"));
        });
    }

    [Test]
    public async Task The_text_has_a_row_per_weight_in_the_order_of_the_layers()
    {
        CommandResult result = await CommandLine.RunAsync(["inspect", Repository.TinyLlama]);

        string[] rows = [.. result.Output.Split('\n').Where(static line => line.StartsWith("| model.layers.", StringComparison.Ordinal))];

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero);
            Assert.That(rows, Has.Length.EqualTo(6 * 9));
            Assert.That(rows, Is.Ordered.Using<string>(string.CompareOrdinal));
        });
    }
}

using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// What is quantized, and into what.
[TestFixture]
public class QuantizedLoadTests
{
    private static readonly object[] Formats =
    [
        new object[] { QuantizationConfig.Int8, WeightEncoding.Int8 },
        new object[] { QuantizationConfig.FP4, WeightEncoding.FP4 },
        new object[] { QuantizationConfig.NF4, WeightEncoding.NF4 },
        new object[] { QuantizationConfig.NF4DoubleQuant, WeightEncoding.NF4DoubleQuant },
        new object[] { QuantizationConfig.FP4 with { Bnb4BitUseDoubleQuant = true }, WeightEncoding.FP4DoubleQuant },
    ];

    [TestCaseSource(nameof(Formats))]
    public void Every_linear_layer_but_the_head_is_quantized(QuantizationConfig quantization, WeightEncoding encoding)
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { InputBias = true, OutputBias = true });
        using CausalLM model = Load(synthetic, quantization);
        Assert.That(Quantized(model), Is.EquivalentTo(synthetic.Weights.Keys.Where(name => name.Contains("_proj.weight", StringComparison.Ordinal))));
        Assert.That(model.LoadReport.Weights.Where(weight => weight.IsQuantized).Select(weight => weight.Encoding), Is.All.EqualTo(encoding));
        Assert.That(model.Quantization, Is.EqualTo(quantization));
    }

    [Test]
    public void A_tied_head_stays_the_embedding()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Tied = true });
        using CausalLM model = Load(synthetic, QuantizationConfig.NF4 with { LlmInt8SkipModules = [] });
        Assert.That(Quantized(model), Does.Not.Contain("model.embed_tokens.weight").And.Count.EqualTo(14));
    }

    [Test]
    public void A_skip_list_replaces_the_default()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using CausalLM model = Load(synthetic, QuantizationConfig.NF4 with { LlmInt8SkipModules = ["down_proj"] });
        Assert.That(Quantized(model), Does.Contain("lm_head.weight"));
        Assert.That(Quantized(model), Has.None.Contains("down_proj"));
    }

    [TestCase("lm_head", "lm_head", true)]
    [TestCase("q_proj", "model.layers.0.self_attn.q_proj", true)]
    [TestCase("proj", "model.layers.0.self_attn.q_proj", true)]
    [TestCase("self_attn", "model.layers.0.self_attn.q_proj", false)]
    [TestCase("model.layers.0", "model.layers.0.self_attn.q_proj", true)]
    [TestCase("model.layers.1", "model.layers.10.self_attn.q_proj", true)]
    [TestCase(@"model\.layers\.1\.", "model.layers.10.self_attn.q_proj", false)]
    [TestCase(@"model\.layers\.[02]\.mlp", "model.layers.2.mlp.up_proj", true)]
    [TestCase(@"layers\.0", "model.layers.0.mlp.up_proj", false)]
    public void An_entry_skips_what_it_matches_at_the_start_or_names_at_the_end(string entry, string module, bool skipped) =>
        Assert.That(new ModuleSelection([entry]).Includes(module), Is.EqualTo(!skipped));

    [Test]
    public void An_entry_that_is_no_regular_expression_is_refused()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        Assert.That(() => Load(synthetic, QuantizationConfig.NF4 with { LlmInt8SkipModules = ["("] }), Throws.ArgumentException.With.Message.Contains("LlmInt8SkipModules").And.Message.Contains("'('"));
    }

    [Test]
    public void What_only_training_or_offloading_needs_is_refused_by_name()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        Assert.That(() => Load(synthetic, QuantizationConfig.Int8 with { LlmInt8HasFp16Weight = true }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("llm_int8_has_fp16_weight"));
        Assert.That(() => Load(synthetic, QuantizationConfig.Int8 with { LlmInt8EnableFp32CpuOffload = true }), Throws.TypeOf<NotSupportedException>().With.Message.Contains("llm_int8_enable_fp32_cpu_offload"));
    }

    [Test]
    public void A_configuration_that_asks_for_neither_width_quantizes_nothing()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using CausalLM model = Load(synthetic, new QuantizationConfig());
        Assert.That(model.Quantization, Is.Null);
        Assert.That(model.Memory.BitsPerQuantizedParameter, Is.Null);
        Assert.That(model.Memory.BitsPerParameter, Is.EqualTo(32));
    }

    [Test]
    public void Bits_per_parameter_count_codes_and_statistics()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Hidden = 256, HeadDim = 64, Intermediate = 512, ElementType = "BF16" });
        Assert.That(Bits(QuantizationConfig.NF4), Is.EqualTo(4 + 32.0 / 64).Within(1e-9));
        Assert.That(Bits(QuantizationConfig.FP4), Is.EqualTo(4 + 32.0 / 64).Within(1e-9));
        // One f32 per row of 256, of 512 for down_proj.
        Assert.That(Bits(QuantizationConfig.Int8), Is.InRange(8 + 32.0 / 512, 8 + 32.0 / 256));
        Assert.That(Bits(QuantizationConfig.NF4DoubleQuant), Is.InRange(4 + 8.0 / 64, 4.3));

        double Bits(QuantizationConfig quantization)
        {
            using CausalLM model = Load(synthetic, quantization);
            Assert.That(model.Memory.BitsPerParameter, Is.InRange(model.Memory.BitsPerQuantizedParameter!.Value, 16));
            return model.Memory.BitsPerQuantizedParameter.Value;
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Weights_and_logits_do_not_depend_on_the_number_of_threads(QuantizationConfig quantization, WeightEncoding encoding)
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { ElementType = "BF16" });
        float[][] logits = [.. new[] { 1, 2, 3 }.Select(threads =>
        {
            using Device device = Device.Open("cpu", new DeviceOptions { ThreadCount = threads });
            using CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Device = device, Quantization = quantization });
            return LoadTests.Logits(model);
        })];
        Assert.That(logits[1], Is.EqualTo(logits[0]), $"{encoding}, 2 threads");
        Assert.That(logits[2], Is.EqualTo(logits[0]), $"{encoding}, 3 threads");
    }

    [Test]
    public void Int8_activations_run_only_where_asked_for_and_are_not_saved()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using var target = new TemporaryFolder();
        using CausalLM exact = Load(synthetic, QuantizationConfig.NF4);
        using CausalLM fast = CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = QuantizationConfig.NF4, Int8Activations = true });
        float[] expected = LoadTests.Logits(exact), approximate = LoadTests.Logits(fast);
        double norm = Math.Sqrt(expected.Sum(value => (double)value * value));
        double error = Math.Sqrt(expected.Zip(approximate, (a, b) => (double)(a - b) * (a - b)).Sum());
        Assert.That(error / norm, Is.InRange(1e-5, 0.05), "an approximation, and not a bad one");

        fast.Save(target.Combine("saved"));
        Assert.That(fast.Quantization, Is.EqualTo(QuantizationConfig.NF4));
        using CausalLM saved = CausalLM.Load(target.Combine("saved"));
        Assert.That(LoadTests.Logits(saved), Is.EqualTo(expected));
        using CausalLM again = CausalLM.Load(target.Combine("saved"), new LoadOptions { Int8Activations = true });
        Assert.That(LoadTests.Logits(again), Is.EqualTo(approximate));
    }

    [Test]
    public void Int8_activations_without_4_bit_layers_are_refused()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        foreach (QuantizationConfig? quantization in new[] { null, QuantizationConfig.Int8 })
        {
            Assert.That(
                () => CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = quantization, Int8Activations = true }),
                Throws.ArgumentException.With.Message.Contains("Int8Activations").And.Message.Contains("4 bits"));
        }
    }

    private static CausalLM Load(SyntheticModel synthetic, QuantizationConfig quantization) =>
        CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = quantization });

    private static IReadOnlyList<string> Quantized(CausalLM model) =>
        [.. model.LoadReport.Weights.Where(weight => weight.IsQuantized).Select(weight => weight.Name)];
}

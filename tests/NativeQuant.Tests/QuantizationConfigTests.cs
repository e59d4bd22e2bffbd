using System.Text;
using System.Text.Json;

namespace NativeQuant.Tests;

[TestFixture]
public class QuantizationConfigTests
{
    [Test]
    public void Defaults_are_those_of_transformers()
    {
        var config = new QuantizationConfig();
        Assert.That((config.LoadIn8Bit, config.LoadIn4Bit), Is.EqualTo((false, false)));
        Assert.That((config.LlmInt8Threshold, config.LlmInt8SkipModules), Is.EqualTo((6f, (IReadOnlyList<string>?)null)));
        Assert.That((config.LlmInt8EnableFp32CpuOffload, config.LlmInt8HasFp16Weight), Is.EqualTo((false, false)));
        Assert.That((config.Bnb4BitComputeType, config.Bnb4BitQuantType), Is.EqualTo((DataType.Float32, QuantType.FP4)));
        Assert.That((config.Bnb4BitUseDoubleQuant, config.Bnb4BitQuantStorage), Is.EqualTo((false, "uint8")));
    }

    [Test]
    public void Text_is_written_as_transformers_writes_it()
    {
        const string expected =
            """
            {"_load_in_4bit":true,"_load_in_8bit":false,"bnb_4bit_compute_dtype":"bfloat16","bnb_4bit_quant_storage":"uint8",
            "bnb_4bit_quant_type":"nf4","bnb_4bit_use_double_quant":true,"llm_int8_enable_fp32_cpu_offload":false,
            "llm_int8_has_fp16_weight":false,"llm_int8_skip_modules":["lm_head","model.layers.0"],"llm_int8_threshold":6.0,
            "load_in_4bit":true,"load_in_8bit":false,"quant_method":"bitsandbytes"}
            """;
        QuantizationConfig config = QuantizationConfig.NF4DoubleQuant with
        {
            Bnb4BitComputeType = DataType.BFloat16,
            LlmInt8SkipModules = ["lm_head", "model.layers.0"],
        };
        Assert.That(Write(config), Is.EqualTo(expected.Replace("\n", "", StringComparison.Ordinal)));
    }

    [TestCase(6f, "6.0")]
    [TestCase(0f, "0.0")]
    [TestCase(5.25f, "5.25")]
    [TestCase(0.1f, "0.1")]
    [TestCase(1e-7f, "1E-07")]
    public void The_threshold_is_written_as_a_float(float threshold, string text) =>
        Assert.That(Write(new QuantizationConfig { LlmInt8Threshold = threshold }), Does.Contain($"\"llm_int8_threshold\":{text},"));

    [Test]
    public void What_is_written_is_read_back()
    {
        QuantizationConfig[] configs =
        [
            QuantizationConfig.Int8,
            QuantizationConfig.FP4,
            QuantizationConfig.NF4,
            QuantizationConfig.NF4DoubleQuant with { Bnb4BitComputeType = DataType.Float16, Bnb4BitQuantStorage = "float64" },
            QuantizationConfig.Int8 with { LlmInt8Threshold = 2.5f, LlmInt8SkipModules = ["a", "b"], LlmInt8HasFp16Weight = true, LlmInt8EnableFp32CpuOffload = true },
        ];
        foreach (QuantizationConfig config in configs)
        {
            QuantizationConfig back = Read(Write(config));
            Assert.That(back, Is.EqualTo(config));
            Assert.That(back.GetHashCode(), Is.EqualTo(config.GetHashCode()));
        }

        Assert.That(configs, Is.Unique);
        Assert.That(QuantizationConfig.Int8 with { LlmInt8SkipModules = ["a"] }, Is.Not.EqualTo(QuantizationConfig.Int8 with { LlmInt8SkipModules = ["b"] }));
    }

    [Test]
    public void Files_without_a_method_are_recognised_by_their_flags()
    {
        Assert.That(Read("""{"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}"""), Is.EqualTo(QuantizationConfig.NF4));
        Assert.That(Read("""{"load_in_8bit": true}"""), Is.EqualTo(QuantizationConfig.Int8));
        Assert.That(() => Read("{}"), Throws.ArgumentException.With.Message.Contains("quant_method"));
    }

    [Test]
    public void Duplicates_and_keys_of_later_versions_are_ignored_and_null_is_the_default()
    {
        QuantizationConfig config = Read(
            """
            {"quant_method": "bitsandbytes", "load_in_8bit": true, "_load_in_4bit": true, "_load_in_8bit": false, "something_new": [1],
             "llm_int8_threshold": 4, "bnb_4bit_compute_dtype": null, "llm_int8_skip_modules": null}
            """);
        Assert.That(config, Is.EqualTo(QuantizationConfig.Int8 with { LlmInt8Threshold = 4 }));
    }

    [Test]
    public void The_framework_prefix_of_a_type_is_understood() => Assert.That(
        Read("""{"load_in_4bit": true, "bnb_4bit_compute_dtype": "torch.bfloat16", "bnb_4bit_quant_storage": "torch.uint8"}""").Bnb4BitComputeType,
        Is.EqualTo(DataType.BFloat16));

    [Test]
    public void Another_method_is_not_supported_and_named() => Assert.That(
        () => Read("""{"quant_method": "gptq", "bits": 4}"""),
        Throws.TypeOf<NotSupportedException>().With.Message.Contains("gptq").And.Message.Contains("bitsandbytes"));

    [TestCase("""{"load_in_4bit": true, "load_in_8bit": true}""", "load_in_8bit")]
    [TestCase("""{"load_in_4bit": "yes"}""", "load_in_4bit")]
    [TestCase("""{"load_in_4bit": true, "bnb_4bit_quant_type": "int4"}""", "int4")]
    [TestCase("""{"load_in_4bit": true, "bnb_4bit_quant_type": 4}""", "bnb_4bit_quant_type")]
    [TestCase("""{"load_in_4bit": true, "bnb_4bit_compute_dtype": "float8"}""", "float8")]
    [TestCase("""{"load_in_4bit": true, "bnb_4bit_quant_storage": "int4"}""", "int4")]
    [TestCase("""{"load_in_4bit": true, "bnb_4bit_use_double_quant": 1}""", "bnb_4bit_use_double_quant")]
    [TestCase("""{"load_in_8bit": true, "llm_int8_threshold": "6"}""", "llm_int8_threshold")]
    [TestCase("""{"load_in_8bit": true, "llm_int8_threshold": -1}""", "-1")]
    [TestCase("""{"load_in_8bit": true, "llm_int8_threshold": 1e99}""", "1e99")]
    [TestCase("""{"load_in_8bit": true, "llm_int8_skip_modules": "lm_head"}""", "llm_int8_skip_modules")]
    [TestCase("""{"load_in_8bit": true, "llm_int8_skip_modules": [1]}""", "llm_int8_skip_modules")]
    [TestCase("[]", "an object")]
    public void A_value_that_makes_no_sense_is_refused_by_its_key(string json, string named) =>
        Assert.That(() => Read(json), Throws.ArgumentException.With.Message.Contains(named));

    [Test]
    public void Eight_and_four_bits_exclude_each_other()
    {
        Assert.That(() => new QuantizationConfig { LoadIn8Bit = true, LoadIn4Bit = true }, Throws.ArgumentException);
        Assert.That(() => QuantizationConfig.Int8 with { LoadIn4Bit = true }, Throws.ArgumentException);
        Assert.That(QuantizationConfig.Int8 with { LoadIn8Bit = false, LoadIn4Bit = true }, Is.EqualTo(QuantizationConfig.FP4));
    }

    private static QuantizationConfig Read(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return QuantizationConfig.FromJson(document.RootElement);
    }

    private static string Write(QuantizationConfig config)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            config.WriteJson(writer);
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}

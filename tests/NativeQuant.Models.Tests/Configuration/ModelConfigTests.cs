using NUnit.Framework;

namespace NativeQuant.Models.Tests.Configuration;

[TestFixture]
public sealed class ModelConfigTests
{
    [Test]
    public void The_sample_model_is_read()
    {
        ModelConfig config = ModelConfig.FromFile(Path.Combine(Repository.TinyLlama, "config.json"));

        Assert.Multiple(() =>
        {
            Assert.That(config.Architecture, Is.EqualTo("LlamaForCausalLM"));
            Assert.That(config.ModelType, Is.EqualTo("llama"));
            Assert.That((config.VocabSize, config.HiddenSize, config.IntermediateSize), Is.EqualTo((2048, 256, 704)));
            Assert.That((config.NumHiddenLayers, config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim), Is.EqualTo((6, 4, 2, 64)));
            Assert.That(config.HiddenAct, Is.EqualTo("silu"));
            Assert.That(config.RmsNormEps, Is.EqualTo(1e-5));
            Assert.That(config.RopeTheta, Is.EqualTo(10000));
            Assert.That(config.RopeScaling, Is.Null);
            Assert.That(config.MaxPositionEmbeddings, Is.EqualTo(256));
            Assert.That((config.AttentionBias, config.MlpBias, config.TieWordEmbeddings), Is.EqualTo((false, false, false)));
            Assert.That(config.BosTokenId, Is.EqualTo(2044));
            Assert.That(config.EosTokenIds, Is.EqualTo(new[] { 2045 }));
            Assert.That(config.PadTokenId, Is.Null);
            Assert.That(config.TorchDtype, Is.EqualTo("bfloat16"));
            Assert.That(config.DataType, Is.EqualTo(DataType.BFloat16));
            Assert.That(config.Quantization, Is.Null);
            Assert.That(config.Json.GetProperty("use_cache").GetBoolean(), Is.True);
        });
    }

    [Test]
    public void Absent_fields_take_the_defaults_of_transformers()
    {
        ModelConfig config = Read();

        Assert.Multiple(() =>
        {
            Assert.That(config.NumKeyValueHeads, Is.EqualTo(8));
            Assert.That(config.HeadDim, Is.EqualTo(16));
            Assert.That(config.HiddenAct, Is.EqualTo("silu"));
            Assert.That(config.RmsNormEps, Is.EqualTo(1e-6));
            Assert.That(config.RopeTheta, Is.EqualTo(10000));
            Assert.That(config.MaxPositionEmbeddings, Is.EqualTo(2048));
            Assert.That(config.BosTokenId, Is.Null);
            Assert.That(config.EosTokenIds, Is.Empty);
            Assert.That(config.SlidingWindow, Is.Null);
            Assert.That(config.LayerTypes, Is.Null);
            Assert.That(config.TorchDtype, Is.Null);
            Assert.That(config.DataType, Is.Null);
        });
    }

    [TestCase("llama", false)]
    [TestCase("mistral", false)]
    [TestCase("qwen2", false)]
    [TestCase("gemma", true)]
    public void Embeddings_are_tied_by_default_as_the_model_type_has_it(string modelType, bool tied)
    {
        Assert.That(Read("model_type", $"\"{modelType}\"").TieWordEmbeddings, Is.EqualTo(tied));
        Assert.That(Read(("model_type", $"\"{modelType}\""), ("tie_word_embeddings", "null")).TieWordEmbeddings, Is.EqualTo(tied));
        Assert.That(Read(("model_type", $"\"{modelType}\""), ("tie_word_embeddings", tied ? "false" : "true")).TieWordEmbeddings, Is.EqualTo(!tied));
    }

    [Test]
    public void A_head_may_be_wider_than_its_share_of_the_hidden_size() =>
        Assert.That(Read("head_dim", "48").HeadDim, Is.EqualTo(48));

    [TestCase("5", new[] { 5 })]
    [TestCase("[5, 7]", new[] { 5, 7 })]
    [TestCase("[]", new int[0])]
    [TestCase("null", new int[0])]
    [TestCase("-1", new int[0])]
    public void The_end_of_text_is_one_token_or_several(string json, int[] expected) =>
        Assert.That(Read("eos_token_id", json).EosTokenIds, Is.EqualTo(expected));

    [TestCase("torch_dtype", "float16", DataType.Float16)]
    [TestCase("dtype", "float32", DataType.Float32)]
    [TestCase("dtype", "float8_e4m3fn", null)]
    public void The_type_of_the_weights_has_an_old_and_a_new_name(string field, string name, DataType? expected)
    {
        ModelConfig config = Read(field, $"\"{name}\"");

        Assert.That(config.TorchDtype, Is.EqualTo(name));
        Assert.That(config.DataType, Is.EqualTo(expected));
    }

    [Test]
    public void A_quantization_configuration_is_read()
    {
        QuantizationConfig? quantization = Read(
            "quantization_config", """{"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true}""").Quantization;

        Assert.That(quantization, Is.Not.Null);
        Assert.That((quantization!.LoadIn4Bit, quantization.Bnb4BitQuantType, quantization.Bnb4BitUseDoubleQuant), Is.EqualTo((true, QuantType.NF4, true)));
    }

    [TestCase("""{"quant_method": "gptq", "bits": 4}""")]
    [TestCase("""{"quant_method": "bitsandbytes", "load_in_4bit": 1}""")]
    [TestCase("""{"load_in_4bit": true, "load_in_8bit": true}""")]
    [TestCase("{}")]
    [TestCase("[]")]
    public void A_quantization_configuration_that_is_not_of_bitsandbytes_is_refused(string json) =>
        AssertRefused("quantization_config", json, "quantization_config");

    [TestCase("architectures", "a list with the name of a model class")]
    [TestCase("vocab_size", "an integer from 1")]
    [TestCase("hidden_size", "an integer from 1")]
    [TestCase("intermediate_size", "an integer from 1")]
    [TestCase("num_hidden_layers", "an integer from 1")]
    [TestCase("num_attention_heads", "an integer from 1")]
    public void A_missing_field_is_refused(string field, string expected)
    {
        foreach (string? value in new[] { null, "null" })
        {
            ConfigurationException exception = AssertRefused(field, value, field);
            Assert.That(exception.Field, Is.EqualTo(field));
            Assert.That(exception.Expected, Does.StartWith(expected));
            Assert.That(exception.Got, Is.EqualTo("no such field"));
        }
    }

    [TestCase("vocab_size", "0")]
    [TestCase("vocab_size", "-5")]
    [TestCase("vocab_size", "2147483648")]
    [TestCase("vocab_size", "1000000000000000000000")]
    [TestCase("vocab_size", "1e3")]
    [TestCase("vocab_size", "64.0")]
    [TestCase("vocab_size", "\"2048\"")]
    [TestCase("hidden_size", "2147483647")]
    [TestCase("hidden_size", "[128]")]
    [TestCase("num_hidden_layers", "1000000")]
    [TestCase("num_hidden_layers", "true")]
    [TestCase("num_attention_heads", "0")]
    [TestCase("num_key_value_heads", "0")]
    [TestCase("num_key_value_heads", "-8")]
    [TestCase("head_dim", "0")]
    [TestCase("head_dim", "2147483647")]
    [TestCase("intermediate_size", "{}")]
    [TestCase("max_position_embeddings", "0")]
    [TestCase("rms_norm_eps", "-1e-6")]
    [TestCase("rms_norm_eps", "1e999")]
    [TestCase("rms_norm_eps", "\"1e-6\"")]
    [TestCase("rope_theta", "0")]
    [TestCase("attention_bias", "0")]
    [TestCase("attention_bias", "\"false\"")]
    [TestCase("tie_word_embeddings", "1")]
    [TestCase("hidden_act", "5")]
    [TestCase("hidden_act", "\"\\ud800\"")]
    [TestCase("bos_token_id", "\"<s>\"")]
    [TestCase("bos_token_id", "-2")]
    [TestCase("eos_token_id", "[1, \"2\"]")]
    [TestCase("eos_token_id", "{}")]
    [TestCase("architectures", "\"LlamaForCausalLM\"")]
    [TestCase("architectures", "[1]")]
    [TestCase("sliding_window", "0")]
    [TestCase("rope_scaling", "5")]
    [TestCase("layer_types", "\"full_attention\"")]
    [TestCase("torch_dtype", "16")]
    public void A_field_of_the_wrong_type_or_size_is_refused(string field, string json)
    {
        ConfigurationException exception = AssertRefused(field, json, field);
        Assert.That(exception.Field, Is.EqualTo(field));
    }

    [Test]
    public void Heads_that_key_value_heads_do_not_divide_are_refused() =>
        AssertRefused("num_key_value_heads", "3", "num_key_value_heads", "a divisor of num_attention_heads, 8", "3");

    [Test]
    public void A_hidden_size_that_heads_do_not_divide_is_refused_unless_the_head_width_is_given()
    {
        AssertRefused("hidden_size", "130", "hidden_size", "a multiple of num_attention_heads, 8", "130");
        Assert.That(Read(("hidden_size", "130"), ("head_dim", "16")).HeadDim, Is.EqualTo(16));
    }

    [Test]
    public void A_missing_file_is_refused() =>
        Assert.That(() => ModelConfig.FromFile(Path.Combine(Repository.TinyLlama, "none.json")), Throws.TypeOf<ConfigurationException>().With.Message.Contains("none.json"));

    [TestCase("")]
    [TestCase("{")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("{\"vocab_size\": NaN}")]
    [TestCase("{\"\\ud800\": 1}")]
    public void A_text_that_is_no_JSON_object_is_refused(string json) =>
        Assert.That(() => ModelConfig.FromJson(json, "here.json"), Throws.TypeOf<ConfigurationException>().With.Message.StartsWith("here.json: "));

    [Test]
    public void A_text_that_nests_without_end_is_refused() =>
        Assert.That(() => ModelConfig.FromJson(new string('[', 100_000)), Throws.TypeOf<ConfigurationException>());

    [Test]
    public void A_sliding_window_applies_to_every_layer_where_nothing_else_is_said()
    {
        ModelConfig config = Read(("model_type", "\"mistral\""), ("sliding_window", "64"));

        Assert.That(config.SlidingWindow, Is.EqualTo(64));
        Assert.That(config.AttentionWindow(0), Is.EqualTo(64));
        Assert.That(config.AttentionWindow(2), Is.EqualTo(64));
        Assert.That(() => config.AttentionWindow(3), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => config.AttentionWindow(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Qwen2_slides_only_when_it_says_so_and_from_a_layer_on()
    {
        Assert.That(Read(("model_type", "\"qwen2\""), ("sliding_window", "64")).SlidingWindow, Is.Null);
        Assert.That(Read(("model_type", "\"qwen2\""), ("sliding_window", "64"), ("use_sliding_window", "false")).AttentionWindow(2), Is.Null);

        ModelConfig config = Read(("model_type", "\"qwen2\""), ("sliding_window", "64"), ("use_sliding_window", "true"), ("max_window_layers", "2"));
        Assert.That(new[] { config.AttentionWindow(0), config.AttentionWindow(1), config.AttentionWindow(2) }, Is.EqualTo(new int?[] { null, null, 64 }));
    }

    [Test]
    public void Layer_types_say_which_layers_slide()
    {
        ModelConfig config = Read(("sliding_window", "64"), ("layer_types", """["sliding_attention", "full_attention", "sliding_attention"]"""));

        Assert.That(new[] { config.AttentionWindow(0), config.AttentionWindow(1), config.AttentionWindow(2) }, Is.EqualTo(new int?[] { 64, null, 64 }));
        AssertRefused("layer_types", """["full_attention"]""", "layer_types", "3 entries", "1 entries");
    }

    private static ModelConfig Read(string field, string json) => Read((field, json));

    private static ModelConfig Read(params (string Field, string? Json)[] fields) => ModelConfig.FromJson(ConfigText.With(fields), "some/config.json");

    private static ConfigurationException AssertRefused(string field, string? json, params string[] parts)
    {
        ConfigurationException exception = Assert.Throws<ConfigurationException>(() => Read((field, json)))!;
        Assert.That(exception.Message, Does.StartWith("some/config.json: "));
        foreach (string part in parts)
        {
            Assert.That(exception.Message, Does.Contain(part));
        }
        return exception;
    }
}

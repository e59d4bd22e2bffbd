using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public class DecoderTests
{
    private const int Length = 40;

    private static readonly SyntheticShape Mistral = new() { Architecture = "MistralForCausalLM", ModelType = "mistral", Window = 7 };
    private static readonly SyntheticShape Qwen2 = new() { Architecture = "Qwen2ForCausalLM", ModelType = "qwen2", InputBias = true, Tied = true };

    [Test]
    public void Llama_computes_what_its_formulas_say() => Compare(new SyntheticShape());

    [Test]
    public void Llama_with_biases_on_every_projection_computes_what_its_formulas_say() =>
        Compare(new SyntheticShape { InputBias = true, OutputBias = true, MlpBias = true });

    [Test]
    public void Llama_with_heads_that_do_not_add_up_to_the_hidden_size_computes_what_its_formulas_say() =>
        Compare(new SyntheticShape { Heads = 3, KeyValueHeads = 1, HeadDim = 32 });

    [Test]
    public void Llama_with_multi_head_attention_and_a_tied_head_computes_what_its_formulas_say() =>
        Compare(new SyntheticShape { KeyValueHeads = 4, Tied = true });

    [TestCase("BF16")]
    [TestCase("F16")]
    public void Weights_in_16_bits_are_taken_at_their_exact_value(string elementType) => Compare(new SyntheticShape { ElementType = elementType });

    [Test]
    public void Weights_in_several_files_make_the_same_model() => Compare(new SyntheticShape { Shards = 3 });

    [Test]
    public void Mistral_attends_to_its_sliding_window_only() => Compare(Mistral, window: 7);

    [Test]
    public void Mistral_without_a_window_attends_to_everything() => Compare(Mistral with { Window = null });

    [Test]
    public void Qwen2_has_biases_on_queries_keys_and_values_and_a_tied_head() => Compare(Qwen2);

    [Test]
    public void Qwen2_ignores_its_window_unless_told_to_use_it() => Compare(Qwen2 with { Window = 7, Extra = "\"use_sliding_window\": false, \"max_window_layers\": 0," });

    [Test]
    public void Qwen2_told_to_use_its_window_in_every_layer_does() => Compare(Qwen2 with { Window = 7, Extra = "\"use_sliding_window\": true, \"max_window_layers\": 0," }, window: 7);

    [Test]
    public void Linear_rope_scaling_stretches_every_frequency() =>
        Compare(new SyntheticShape { Extra = "\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 4.0}," }, scale: frequency => frequency / 4);

    [Test]
    public void Llama3_rope_scaling_stretches_long_wavelengths_and_blends_between()
    {
        const string Scaling = "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64},";
        List<double> blended = [];
        Compare(new SyntheticShape { Extra = Scaling, HeadDim = 32 }, scale: Scale);
        Assert.That(blended, Is.Not.Empty, "No frequency fell between the two limits: the test would show nothing.");

        double Scale(double frequency)
        {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength > 64)
            {
                return frequency / 8;
            }
            if (wavelength < 64 / 4.0)
            {
                return frequency;
            }
            double smooth = (64 / wavelength - 1) / (4 - 1);
            blended.Add(smooth);
            return (1 - smooth) * (frequency / 8) + smooth * frequency;
        }
    }

    [Test]
    public void An_unknown_architecture_is_refused_with_the_list_of_known_ones()
    {
        using var model = new SyntheticModel(new SyntheticShape { Architecture = "MambaForCausalLM" });
        Assert.That(
            () => CausalLM.Load(model.Folder),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM").And.Message.Contains("got MambaForCausalLM"));
    }

    [Test]
    public void A_rope_scaling_that_is_not_supported_is_refused_by_name()
    {
        using var model = new SyntheticModel(new SyntheticShape { Extra = "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0}," });
        Assert.That(() => CausalLM.Load(model.Folder), Throws.TypeOf<NotSupportedException>().With.Message.Contains("default, linear or llama3; got yarn"));
    }

    private static void Compare(SyntheticShape shape, int window = int.MaxValue, Func<double, double>? scale = null)
    {
        using var synthetic = new SyntheticModel(shape);
        int[] ids = SyntheticModel.Ids(Length, shape.Vocabulary);
        double[][] expected = new PlainForward(synthetic) { Window = window, ScaleFrequency = scale ?? (frequency => frequency) }.Logits(ids);

        using CausalLM model = CausalLM.Load(synthetic.Folder);
        using GenerationSession session = model.CreateSession();
        float[] got = new float[Length * shape.Vocabulary];
        session.ForwardAll(ids, got);

        double worst = 0;
        for (int i = 0; i < got.Length; i++)
        {
            worst = Math.Max(worst, Math.Abs(got[i] - expected[i / shape.Vocabulary][i % shape.Vocabulary]));
        }
        Assert.That(worst, Is.LessThan(1e-4), "Largest difference to the f64 logits.");
        Assert.That(got.Max(Math.Abs), Is.GreaterThan(1), "Logits of nearly nothing would agree with anything.");
    }
}

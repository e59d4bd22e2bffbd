using System.Text;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public class LoadTests
{
    private const string QueryWeight = "model.layers.0.self_attn.q_proj.weight";

    [Test]
    public void A_missing_tensor_is_named_with_the_shape_that_was_expected() =>
        Refuses(model => Remove(model, "model.layers.1.mlp.up_proj.weight"), "model.layers.1.mlp.up_proj.weight", "[112, 64]", "no such tensor");

    [Test]
    public void A_missing_norm_is_named() => Refuses(model => Remove(model, "model.norm.weight"), "model.norm.weight", "[64]", "no such tensor");

    [Test]
    public void A_missing_embedding_is_named() => Refuses(model => Remove(model, "model.embed_tokens.weight"), "model.embed_tokens.weight", "[96, 64]", "no such tensor");

    [Test]
    public void A_missing_bias_is_named() =>
        Refuses(model => Remove(model, "model.layers.0.self_attn.k_proj.bias"), "model.layers.0.self_attn.k_proj.bias", "[32]", "no such tensor", new SyntheticShape { InputBias = true, OutputBias = true });

    [Test]
    public void A_tensor_of_another_shape_is_named_with_both_shapes() =>
        Refuses(model => model.Shapes[QueryWeight] = [32, 128], QueryWeight, "shape [64, 64]", "shape [32, 128]");

    [Test]
    public void A_transposed_tensor_is_refused() =>
        Refuses(model => model.Shapes["model.layers.0.mlp.down_proj.weight"] = [112, 64], "model.layers.0.mlp.down_proj.weight", "[64, 112]", "[112, 64]");

    [Test]
    public void A_bias_that_config_json_does_not_know_is_refused() =>
        Refuses(model => Add(model, "model.layers.0.self_attn.q_proj.bias", 64), "model.layers.0.self_attn.q_proj.bias", "only tensors that config.json calls for", "this one");

    [Test]
    public void A_layer_that_config_json_does_not_count_is_refused() =>
        Refuses(model => Add(model, "model.layers.2.input_layernorm.weight", 64), "model.layers.2.input_layernorm.weight", "only tensors", "this one");

    [Test]
    public void Rotary_frequencies_of_old_checkpoints_are_passed_over()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape(), write: false);
        Add(synthetic, "model.layers.0.self_attn.rotary_emb.inv_freq", 8);
        synthetic.Write();
        Assert.That(() => CausalLM.Load(synthetic.Folder).Dispose(), Throws.Nothing);
    }

    [Test]
    public void A_copy_of_a_tied_head_is_passed_over()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Tied = true }, write: false);
        Add(synthetic, "lm_head.weight", 96, 64);
        synthetic.Write();
        using CausalLM model = CausalLM.Load(synthetic.Folder);
        Assert.That(model.LoadReport.Weights.Select(weight => weight.Name), Does.Not.Contain("lm_head.weight"));
        Assert.That(model.Memory.Parameters, Is.EqualTo(synthetic.Weights.Where(weight => weight.Key != "lm_head.weight").Sum(weight => weight.Value.LongLength)));
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void A_weight_that_is_no_number_cannot_be_quantized(float bad)
    {
        foreach (QuantizationConfig quantization in new[] { QuantizationConfig.NF4, QuantizationConfig.Int8 })
        {
            Refuses(model => model.Weights[QueryWeight][100] = bad, QueryWeight, "finite weights", "100", quantization: quantization);
        }
    }

    [Test]
    public void A_weight_that_is_no_number_shows_at_the_first_token_of_an_unquantized_model()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape(), write: false);
        synthetic.Weights[QueryWeight][100] = float.NaN;
        synthetic.Write();
        using CausalLM model = CausalLM.Load(synthetic.Folder);
        using GenerationSession session = model.CreateSession();
        Assert.That(() => session.Generate(new[] { 1, 2, 3 }).ToList(), Throws.TypeOf<InvalidLogitsException>().With.Message.Contains("NaN"));
        Assert.That(() => Perplexity.Measure(model, SyntheticModel.Ids(64, 96), new PerplexityOptions { Window = 8 }), Throws.TypeOf<InvalidLogitsException>());
    }

    [Test]
    public void Weights_of_a_type_that_cannot_be_computed_with_are_refused()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape(), write: false);
        synthetic.Write();
        string path = Path.Combine(synthetic.Folder, "model.safetensors");
        byte[] file = File.ReadAllBytes(path);
        // Four bytes per element under another name.
        int at = file.AsSpan().IndexOf(Encoding.ASCII.GetBytes("\"lm_head.weight\":{\"dtype\":\"F32\"")) + "\"lm_head.weight\":{\"dtype\":\"".Length;
        "I32"u8.CopyTo(file.AsSpan(at));
        File.WriteAllBytes(path, file);
        Assert.That(() => CausalLM.Load(synthetic.Folder), Throws.TypeOf<CheckpointException>().With.Message.Contains("lm_head.weight").And.Message.Contains("F32, F16 or BF16").And.Message.Contains("got I32"));
    }

    [Test]
    public void A_folder_that_does_not_exist_is_named() =>
        Assert.That(() => CausalLM.Load("no/such/folder"), Throws.TypeOf<CheckpointException>().With.Message.Contains("no/such/folder"));

    [Test]
    public void Unquantized_weights_take_the_type_asked_for()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { ElementType = "BF16" });
        using CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { DataType = DataType.Float32, Quantization = QuantizationConfig.NF4 });
        Dictionary<string, WeightEncoding> encodings = model.LoadReport.Weights.ToDictionary(weight => weight.Name, weight => weight.Encoding);
        Assert.That(encodings["model.embed_tokens.weight"], Is.EqualTo(WeightEncoding.Float32));
        Assert.That(encodings["model.norm.weight"], Is.EqualTo(WeightEncoding.Float32));
        Assert.That(encodings[QueryWeight], Is.EqualTo(WeightEncoding.NF4));
        Assert.That(() => CausalLM.Load(synthetic.Folder, new LoadOptions { DataType = DataType.Int8 }), Throws.ArgumentException.With.Message.Contains("got Int8"));
    }

    [Test]
    public void Progress_covers_every_tensor_and_byte()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        List<LoadProgress> steps = [];
        using CausalLM model = CausalLM.Load(synthetic.Folder, progress: new Reporter<LoadProgress>(steps.Add));
        Assert.That(steps.Select(step => step.Name), Is.EquivalentTo(synthetic.Weights.Keys));
        Assert.That(steps.Select(step => step.CompletedBytes), Is.Ordered.Ascending);
        Assert.That(steps[^1].CompletedBytes, Is.EqualTo(steps[^1].TotalBytes));
        Assert.That(steps[^1].TotalBytes, Is.EqualTo(model.LoadReport.CheckpointBytes));
        Assert.That(steps[^1].CompletedTensors, Is.EqualTo(steps[^1].TotalTensors));
    }

    [Test]
    public void Cancelling_between_tensors_gives_everything_back()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using Device device = Device.Open();
        using var cancellation = new CancellationTokenSource();
        int tensors = 0;
        var reporter = new Reporter<LoadProgress>(_ =>
        {
            if (++tensors == 3)
            {
                cancellation.Cancel();
            }
        });
        Assert.That(
            async () => await CausalLM.LoadAsync(synthetic.Folder, new LoadOptions { Device = device }, reporter, cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(tensors, Is.EqualTo(3));
        Assert.That(device.AllocatedBytes, Is.Zero);
    }

    [Test]
    public void A_failed_load_gives_everything_back()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape(), write: false);
        Remove(synthetic, "lm_head.weight");
        synthetic.Write();
        using Device device = Device.Open();
        Assert.That(() => CausalLM.Load(synthetic.Folder, new LoadOptions { Device = device, Quantization = QuantizationConfig.Int8 }), Throws.TypeOf<CheckpointException>());
        Assert.That(device.AllocatedBytes, Is.Zero);
    }

    [Test]
    public async Task A_model_loaded_asynchronously_is_the_same()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using CausalLM one = CausalLM.Load(synthetic.Folder);
        using CausalLM two = await CausalLM.LoadAsync(synthetic.Folder);
        Assert.That(Logits(two), Is.EqualTo(Logits(one)));
    }

    [Test]
    public void A_device_of_the_caller_outlives_the_model()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using Device device = Device.Open();
        CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Device = device });
        Assert.That(model.Device, Is.SameAs(device));
        Assert.That(device.AllocatedBytes, Is.EqualTo(model.LoadReport.DeviceBytes));
        model.Dispose();
        model.Dispose();
        Assert.That(device.AllocatedBytes, Is.Zero);
    }

    [Test]
    public void Using_a_session_of_a_disposed_model_says_so()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        CausalLM model = CausalLM.Load(synthetic.Folder);
        using GenerationSession session = model.CreateSession();
        model.Dispose();
        Assert.That(() => session.Forward([1], []), Throws.TypeOf<ObjectDisposedException>());
    }

    internal static float[] Logits(CausalLM model)
    {
        using GenerationSession session = model.CreateSession();
        int[] ids = SyntheticModel.Ids(24, model.VocabularySize);
        float[] logits = new float[ids.Length * model.VocabularySize];
        session.ForwardAll(ids, logits);
        return logits;
    }

    private static void Remove(SyntheticModel model, string name)
    {
        model.Weights.Remove(name);
        model.Shapes.Remove(name);
    }

    private static void Add(SyntheticModel model, string name, params long[] shape)
    {
        model.Weights[name] = new float[shape.Aggregate(1L, (product, dimension) => product * dimension)];
        model.Shapes[name] = shape;
    }

    private static void Refuses(
        Action<SyntheticModel> change, string name, string expected, string got, SyntheticShape? shape = null, QuantizationConfig? quantization = null)
    {
        using var synthetic = new SyntheticModel(shape ?? new SyntheticShape(), write: false);
        change(synthetic);
        synthetic.Write();
        Assert.That(
            () => CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = quantization }),
            Throws.TypeOf<CheckpointException>().With.Message.Contains(name).And.Message.Contains(expected).And.Message.Contains(got));
    }
}

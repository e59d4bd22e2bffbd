using System.Text.Json;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public class SaveTests
{
    private static readonly QuantizationConfig?[] Formats =
    [
        null,
        QuantizationConfig.Int8 with { LlmInt8Threshold = 4.5f },
        QuantizationConfig.FP4,
        QuantizationConfig.NF4 with { Bnb4BitComputeType = DataType.BFloat16 },
        QuantizationConfig.NF4DoubleQuant,
        QuantizationConfig.NF4DoubleQuant with { Bnb4BitQuantStorage = "bfloat16", LlmInt8SkipModules = ["lm_head", "v_proj"] },
    ];

    [TestCaseSource(nameof(Formats))]
    public void A_saved_model_loads_back_bit_for_bit(QuantizationConfig? quantization)
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { InputBias = true, OutputBias = true, ElementType = "BF16", Hidden = 72, HeadDim = 18 });
        using var target = new TemporaryFolder();
        using CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = quantization });
        model.Save(target.Combine("saved"));
        using CausalLM loaded = CausalLM.Load(target.Combine("saved"));
        Assert.That(loaded.Quantization, Is.EqualTo(quantization));
        Assert.That(loaded.LoadReport.Weights.Select(Line), Is.EqualTo(model.LoadReport.Weights.Select(Line)));
        Assert.That(LoadTests.Logits(loaded), Is.EqualTo(LoadTests.Logits(model)));

        // And once more: the same bytes.
        loaded.Save(target.Combine("again"));
        Assert.That(File.ReadAllBytes(Path.Combine(target.Combine("again"), "model.safetensors")), Is.EqualTo(File.ReadAllBytes(Path.Combine(target.Combine("saved"), "model.safetensors"))));
        Assert.That(File.ReadAllText(Path.Combine(target.Combine("again"), "config.json")), Is.EqualTo(File.ReadAllText(Path.Combine(target.Combine("saved"), "config.json"))));

        static string Line(LoadedWeight weight) => $"{weight.Name} {weight.Encoding} {string.Join('x', weight.Shape)} {weight.StoredBytes}";
    }

    [Test]
    public void The_sample_model_keeps_its_companion_files_and_its_text()
    {
        using var target = new TemporaryFolder();
        using CausalLM model = CausalLM.Load(Repository.TinyLlama, new LoadOptions { Quantization = QuantizationConfig.NF4DoubleQuant });
        model.Save(target.Combine("saved"));
        foreach (string file in new[] { "generation_config.json", "tokenizer.json", "tokenizer_config.json" })
        {
            Assert.That(File.ReadAllBytes(Path.Combine(target.Combine("saved"), file)), Is.EqualTo(File.ReadAllBytes(Path.Combine(Repository.TinyLlama, file))), file);
        }
        using CausalLM loaded = CausalLM.Load(target.Combine("saved"));
        Assert.That(Text(loaded), Is.EqualTo(Text(model)));

        static string Text(CausalLM model)
        {
            using GenerationSession session = model.CreateSession();
            return string.Concat(session.Generate("The little girl opened the door", new GenerationOptions { MaxNewTokens = 16 }).Select(token => token.Text));
        }
    }

    [Test]
    public void The_configuration_keeps_its_fields_and_gains_the_quantization()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Extra = "\"a_field_of_their_own\": [1, 2.5, \"x\"], \"torch_dtype\": \"bfloat16\"," });
        using var target = new TemporaryFolder();
        using CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = QuantizationConfig.NF4, DataType = DataType.Float16 });
        model.Save(target.Combine("saved"));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(target.Combine("saved"), "config.json")));
        JsonElement config = document.RootElement;
        Assert.That(config.GetProperty("a_field_of_their_own").GetRawText(), Is.EqualTo("[1, 2.5, \"x\"]").Or.EqualTo("[1,2.5,\"x\"]").Or.Contains("2.5"));
        Assert.That(config.GetProperty("torch_dtype").GetString(), Is.EqualTo("float16"));
        JsonElement quantization = config.GetProperty("quantization_config");
        Assert.That(quantization.GetProperty("quant_method").GetString(), Is.EqualTo("bitsandbytes"));
        Assert.That(quantization.GetProperty("load_in_4bit").GetBoolean(), Is.True);
        Assert.That(quantization.GetProperty("bnb_4bit_quant_type").GetString(), Is.EqualTo("nf4"));
    }

    [Test]
    public void A_quantized_folder_is_loaded_as_it_is_and_another_format_is_refused()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using var target = new TemporaryFolder();
        using (CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = QuantizationConfig.NF4 }))
        {
            model.Save(target.Combine("saved"));
        }
        foreach (QuantizationConfig other in new[] { QuantizationConfig.Int8, QuantizationConfig.FP4, QuantizationConfig.NF4DoubleQuant })
        {
            Assert.That(
                () => CausalLM.Load(target.Combine("saved"), new LoadOptions { Quantization = other }),
                Throws.ArgumentException.With.Message.Contains("expected 4 bits, nf4").And.Message.Contains("already quantized"));
        }
        using CausalLM same = CausalLM.Load(target.Combine("saved"), new LoadOptions { Quantization = QuantizationConfig.NF4 with { Bnb4BitComputeType = DataType.BFloat16 } });
        Assert.That(same.Quantization!.Bnb4BitComputeType, Is.EqualTo(DataType.BFloat16));
    }

    [Test]
    public void Quantized_weights_are_recognised_without_a_quantization_config()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using var target = new TemporaryFolder();
        using CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = QuantizationConfig.NF4DoubleQuant });
        model.Save(target.Combine("saved"));
        File.Copy(Path.Combine(synthetic.Folder, "config.json"), Path.Combine(target.Combine("saved"), "config.json"), overwrite: true);
        using CausalLM loaded = CausalLM.Load(target.Combine("saved"));
        Assert.That(loaded.Quantization, Is.EqualTo(QuantizationConfig.NF4DoubleQuant));
        Assert.That(LoadTests.Logits(loaded), Is.EqualTo(LoadTests.Logits(model)));
    }

    [Test]
    public void A_quantization_config_over_unquantized_weights_is_refused()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Extra = "\"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true}," });
        Assert.That(() => CausalLM.Load(synthetic.Folder), Throws.TypeOf<CheckpointException>().With.Message.Contains("quantization_config").And.Message.Contains("got none"));
    }

    [Test]
    public void Another_quantization_method_is_refused_by_name()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Extra = "\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 4}," });
        Assert.That(() => CausalLM.Load(synthetic.Folder), Throws.TypeOf<ConfigurationException>().With.Message.Contains("gptq").And.InnerException.TypeOf<NotSupportedException>());
    }

    [Test]
    public void A_quantized_weight_of_another_shape_than_config_json_says_is_refused()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using var target = new TemporaryFolder();
        using (CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = QuantizationConfig.NF4 }))
        {
            model.Save(target.Combine("saved"));
        }
        string config = File.ReadAllText(Path.Combine(target.Combine("saved"), "config.json"));
        File.WriteAllText(Path.Combine(target.Combine("saved"), "config.json"), config.Replace("\"intermediate_size\": 112", "\"intermediate_size\": 128", StringComparison.Ordinal));
        Assert.That(() => CausalLM.Load(target.Combine("saved")), Throws.TypeOf<CheckpointException>().With.Message.Contains("gate_proj.weight").And.Message.Contains("[128, 64]").And.Message.Contains("[112, 64]"));
    }

    [Test]
    public void A_folder_with_content_is_not_touched()
    {
        using var target = new TemporaryFolder();
        File.WriteAllText(target.Combine("precious.txt"), "mine");
        using CausalLM model = CausalLM.Load(Repository.TinyLlama);
        Assert.That(() => model.Save(target.Path), Throws.TypeOf<CheckpointException>());
        Assert.That(Directory.EnumerateFileSystemEntries(target.Path), Is.EqualTo(new[] { target.Combine("precious.txt") }));
    }

    [Test]
    public void A_cancelled_save_leaves_nothing()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using var target = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        using CausalLM model = CausalLM.Load(synthetic.Folder, new LoadOptions { Quantization = QuantizationConfig.Int8 });
        int weights = 0;
        var reporter = new Reporter<LoadProgress>(_ =>
        {
            if (++weights == 5)
            {
                cancellation.Cancel();
            }
        });
        Assert.That(() => model.Save(target.Combine("saved"), reporter, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(weights, Is.EqualTo(5));
        Assert.That(Directory.EnumerateFileSystemEntries(target.Path), Is.Empty);
    }

    [Test]
    public void A_folder_that_cannot_be_made_is_refused_and_leaves_nothing()
    {
        using var target = new TemporaryFolder();
        File.WriteAllText(target.Combine("file"), "");
        using CausalLM model = CausalLM.Load(Repository.TinyLlama);
        Assert.That(() => model.Save(Path.Combine(target.Combine("file"), "below")), Throws.TypeOf<CheckpointException>());
        Assert.That(Directory.EnumerateFileSystemEntries(target.Path), Is.EqualTo(new[] { target.Combine("file") }));
    }
}

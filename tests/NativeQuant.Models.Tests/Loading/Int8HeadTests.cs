using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// The output head in int8, where the options ask for it.
[TestFixture]
public class Int8HeadTests
{
    private const string Head = "lm_head.weight";

    [TestCase(false)]
    [TestCase(true)]
    public void The_logits_are_near_those_of_the_head_as_stored(bool tied)
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Tied = tied });
        foreach (QuantizationConfig? quantization in new[] { null, QuantizationConfig.NF4DoubleQuant, QuantizationConfig.Int8 })
        {
            using CausalLM exact = Load(synthetic.Folder, quantization, int8Head: false);
            using CausalLM approximate = Load(synthetic.Folder, quantization, int8Head: true);
            // Row-wise int8 of weights and of activations: about 1 % each.
            Assert.That(RelativeError(LoadTests.Logits(exact), LoadTests.Logits(approximate)), Is.InRange(1e-5, 0.03), $"{quantization}");
        }
    }

    [Test]
    public void A_head_of_its_own_takes_the_memory_of_int8()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using CausalLM exact = Load(synthetic.Folder, null, int8Head: false);
        using CausalLM approximate = Load(synthetic.Folder, null, int8Head: true);
        LoadedWeight before = Weight(exact, Head), head = Weight(approximate, Head);
        Assert.That(head.Encoding, Is.EqualTo(WeightEncoding.Int8));
        Assert.That(head.IsCopy, Is.False);
        Assert.That(head.StoredBytes, Is.EqualTo(head.Parameters + (4 * head.Shape[0])));
        Assert.That(approximate.Memory.WeightBytes, Is.EqualTo(exact.Memory.WeightBytes - before.StoredBytes + head.StoredBytes));
        Assert.That(approximate.Memory.Parameters, Is.EqualTo(exact.Memory.Parameters));
        Assert.That(approximate.Memory.QuantizedParameters, Is.EqualTo(head.Parameters));
    }

    [Test]
    public void A_tied_head_is_a_copy_that_adds_bytes_and_no_parameters()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Tied = true });
        using CausalLM exact = Load(synthetic.Folder, null, int8Head: false);
        using CausalLM approximate = Load(synthetic.Folder, null, int8Head: true);
        LoadedWeight copy = Weight(approximate, Head);
        Assert.That(copy.IsCopy, Is.True);
        Assert.That(Weight(approximate, "model.embed_tokens.weight"), Is.EqualTo(Weight(exact, "model.embed_tokens.weight")).Using<LoadedWeight>(static (a, b) => a.Encoding == b.Encoding && a.ResidentBytes == b.ResidentBytes));
        Assert.That(approximate.Memory.Parameters, Is.EqualTo(exact.Memory.Parameters));
        Assert.That(approximate.Memory.QuantizedParameters, Is.Zero);
        Assert.That(approximate.Memory.WeightBytes, Is.EqualTo(exact.Memory.WeightBytes + copy.StoredBytes));
        Assert.That(approximate.Memory.ResidentBytes, Is.EqualTo(exact.Memory.ResidentBytes + copy.ResidentBytes));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void A_saved_model_holds_the_head_as_stored(bool tied)
    {
        using var synthetic = new SyntheticModel(new SyntheticShape { Tied = tied });
        using var target = new TemporaryFolder();
        using CausalLM exact = Load(synthetic.Folder, QuantizationConfig.NF4, int8Head: false);
        using CausalLM approximate = Load(synthetic.Folder, QuantizationConfig.NF4, int8Head: true);
        exact.Save(target.Combine("exact"));
        approximate.Save(target.Combine("approximate"));
        Assert.That(
            File.ReadAllBytes(target.Combine("approximate/model.safetensors")),
            Is.EqualTo(File.ReadAllBytes(target.Combine("exact/model.safetensors"))));
        Assert.That(File.ReadAllText(target.Combine("approximate/config.json")), Is.EqualTo(File.ReadAllText(target.Combine("exact/config.json"))));

        using CausalLM again = Load(target.Combine("approximate"), null, int8Head: true);
        Assert.That(LoadTests.Logits(again), Is.EqualTo(LoadTests.Logits(approximate)));
    }

    [Test]
    public void A_saved_head_has_the_type_that_loading_asked_for()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        using var target = new TemporaryFolder();
        using CausalLM approximate = CausalLM.Load(synthetic.Folder, new LoadOptions { Int8Head = true, DataType = DataType.Float16 });
        approximate.Save(target.Combine("saved"));
        using CausalLM saved = CausalLM.Load(target.Combine("saved"));
        Assert.That(Weight(saved, Head).Encoding, Is.EqualTo(WeightEncoding.Float16));
    }

    [Test]
    public void A_head_that_is_quantized_anyway_stays_what_it_is()
    {
        using var synthetic = new SyntheticModel(new SyntheticShape());
        QuantizationConfig everything = QuantizationConfig.NF4 with { LlmInt8SkipModules = [] };
        using CausalLM model = Load(synthetic.Folder, everything, int8Head: true);
        Assert.That(Weight(model, Head).Encoding, Is.EqualTo(WeightEncoding.NF4));
        using var target = new TemporaryFolder();
        model.Save(target.Combine("saved"));
        using CausalLM saved = Load(target.Combine("saved"), null, int8Head: true);
        Assert.That(Weight(saved, Head).Encoding, Is.EqualTo(WeightEncoding.NF4));
        Assert.That(LoadTests.Logits(saved), Is.EqualTo(LoadTests.Logits(model)));
    }

    [Test]
    [Category("Model")]
    public void Perplexity_hardly_changes()
    {
        ReferenceModel reference = ReferenceModel.All.FirstOrDefault(static model => model.Texts.Any(static text => text.Ids is not null))
            ?? throw new IgnoreException($"No model with a text in {NativeQuant.Testing.TestData.ModelsFolder}.");
        ReferenceText text = reference.Texts.First(static text => text.Ids is not null);
        var options = new PerplexityOptions { Window = text.Window, MaxWindows = 8 };
        using CausalLM exact = Load(reference.Folder, null, int8Head: false);
        using CausalLM approximate = Load(reference.Folder, null, int8Head: true);
        double before = Perplexity.Measure(exact, text.Ids!, options).MeanNats, after = Perplexity.Measure(approximate, text.Ids!, options).MeanNats;
        TestContext.Out.WriteLine($"{reference}: {before:F5} nats per token, {after:F5} with an int8 head");
        Assert.That(after, Is.EqualTo(before).Within(0.005).And.Not.EqualTo(before));
    }

    private static CausalLM Load(string folder, QuantizationConfig? quantization, bool int8Head) =>
        CausalLM.Load(folder, new LoadOptions { Quantization = quantization, Int8Head = int8Head });

    private static LoadedWeight Weight(CausalLM model, string name) => model.LoadReport.Weights.Single(weight => weight.Name == name);

    private static double RelativeError(float[] expected, float[] got) =>
        Math.Sqrt(expected.Zip(got, static (a, b) => (double)(a - b) * (a - b)).Sum() / expected.Sum(static value => (double)value * value));
}

using System.Runtime.InteropServices;
using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// What LLM.int8() is for: with systematic activation outliers, plain int8 loses much and the decomposition little.
[TestFixture]
[Category("Model")]
public sealed class OutlierTests : IDisposable
{
    private const int Windows = 24;

    private readonly OutlierModel _outliers = new(Repository.TinyLlama);

    public void Dispose() => _outliers.Dispose();

    [Test]
    public void Outliers_leave_the_function_of_the_model_as_it_was()
    {
        int[] prompt = Text()[..64];
        using CausalLM plain = CausalLM.Load(Repository.TinyLlama);
        using CausalLM outliers = CausalLM.Load(_outliers.Folder);
        Assert.That(Logits(outliers, prompt), Is.EqualTo(Logits(plain, prompt)).Within(1e-4f));
    }

    [Test]
    public void Int8_stays_within_one_percent_of_f32_without_outliers()
    {
        double fp32 = Measure(Repository.TinyLlama, null);
        Assert.That(Measure(Repository.TinyLlama, QuantizationConfig.Int8) / fp32, Is.LessThanOrEqualTo(1.01));
    }

    [Test]
    public void Plain_int8_fails_with_outliers_and_the_decomposition_at_threshold_6_stays_within_one_percent()
    {
        double fp32 = Measure(_outliers.Folder, null);
        double naive = Measure(_outliers.Folder, QuantizationConfig.Int8 with { LlmInt8Threshold = 0 });
        double decomposed = Measure(_outliers.Folder, QuantizationConfig.Int8);
        Assert.That(naive / fp32, Is.GreaterThan(1.1), "Plain int8.");
        Assert.That(decomposed / fp32, Is.LessThanOrEqualTo(1.01), "Threshold 6.");
    }

    private static int[] Text() => MemoryMarshal.Cast<byte, int>(File.ReadAllBytes(Path.Combine(Repository.TinyLlama, "own-text.ids.u32"))).ToArray();

    private static double Measure(string folder, QuantizationConfig? quantization)
    {
        using CausalLM model = CausalLM.Load(folder, new LoadOptions { Quantization = quantization, LoadTokenizer = false });
        double perplexity = Perplexity.Measure(model, Text(), new PerplexityOptions { MaxWindows = Windows }).Perplexity;
        TestContext.Out.WriteLine($"{(quantization is null ? "fp32" : $"int8, threshold {quantization.LlmInt8Threshold}")}: {perplexity:f4}");
        return perplexity;
    }

    private static float[] Logits(CausalLM model, int[] prompt)
    {
        using GenerationSession session = model.CreateSession();
        float[] logits = new float[prompt.Length * model.VocabularySize];
        session.ForwardAll(prompt, logits);
        return logits;
    }
}

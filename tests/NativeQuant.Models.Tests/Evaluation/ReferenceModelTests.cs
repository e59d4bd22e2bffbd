using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// Every folder with a reference.json: logits, greedy continuations and perplexities, unquantized and quantized.
[TestFixture]
[Category("Model")]
public class ReferenceModelTests
{
    private const double MinimumMargin = 1e-2;

    private static readonly Dictionary<string, QuantizationConfig?> Modes = new()
    {
        ["fp32"] = null,
        ["llm-int8"] = QuantizationConfig.Int8,
        ["int8-naive"] = QuantizationConfig.Int8 with { LlmInt8Threshold = 0 },
        ["nf4"] = QuantizationConfig.NF4,
        ["nf4-nested"] = QuantizationConfig.NF4DoubleQuant,
        ["fp4"] = QuantizationConfig.FP4,
    };

    private static IEnumerable<TestCaseData> Folders => ReferenceModel.All.Select(model => new TestCaseData(model).SetArgDisplayNames(model.Name));

    private static IEnumerable<TestCaseData> Perplexities =>
        from model in ReferenceModel.All
        from text in model.Texts
        from mode in text.Perplexities.Keys
        select new TestCaseData(model, text, mode).SetArgDisplayNames(model.Name, text.File, mode);

    [Test]
    public void There_is_a_model_to_compare_with() => Assert.That(ReferenceModel.All, Is.Not.Empty, $"No folder with a reference.json in {TestData.ModelsFolder}.");

    [TestCaseSource(nameof(Folders))]
    public void Logits_in_f32_are_those_of_the_reference(object folder)
    {
        var reference = (ReferenceModel)folder;
        Skip.Unless(reference.Logits.Length > 0, "reference.json has no logits.");
        using CausalLM model = Load(reference.Folder, null);
        using GenerationSession session = model.CreateSession();
        Assert.That(reference.LogitsShape, Is.EqualTo(new[] { reference.PromptIds.Length, model.VocabularySize }));
        float[] logits = new float[reference.Logits.Length];
        session.ForwardAll(reference.PromptIds, logits);
        double worst = logits.Zip(reference.Logits, (got, expected) => (double)Math.Abs(got - expected)).Max();
        TestContext.Out.WriteLine($"largest difference {worst:g3}");
        Assert.That(worst, Is.LessThanOrEqualTo(1e-3));
    }

    [TestCaseSource(nameof(Folders))]
    public void Greedy_continuations_are_those_of_the_reference(object folder)
    {
        var reference = (ReferenceModel)folder;
        Skip.Unless(reference.Greedy.Count > 0, "reference.json has no greedy continuations.");
        using CausalLM model = Load(reference.Folder, null);
        using GenerationSession session = model.CreateSession();
        float[] logits = new float[model.VocabularySize];
        foreach ((int[] prompt, int[] ids, double smallestMargin) in reference.Greedy)
        {
            session.Reset();
            session.Forward(prompt, logits);
            for (int i = prompt.Length; i < ids.Length; i++)
            {
                // Where two tokens are this close, rounding decides, and from there on the texts may part.
                double margin = Margin(logits, out int best);
                if (smallestMargin < MinimumMargin && margin < MinimumMargin)
                {
                    TestContext.Out.WriteLine($"compared {i - prompt.Length} of {ids.Length - prompt.Length} tokens; then the margin is {margin:g3}");
                    break;
                }
                Assert.That(best, Is.EqualTo(ids[i]), $"token {i - prompt.Length} after the prompt, margin {margin:g3}");
                session.Forward([best], logits);
            }
        }
    }

    [TestCaseSource(nameof(Perplexities))]
    public void Perplexity_is_that_of_the_reference(object folder, object scored, string mode)
    {
        var reference = (ReferenceModel)folder;
        var text = (ReferenceText)scored;
        int[]? ids = text.Ids;
        Skip.Unless(ids is not null, $"{text.IdsFile} is not there.");
        Skip.Unless(mode == "int8-weights" || Modes.ContainsKey(mode), $"the mode {mode} is not known here.");
        using CausalLM model = mode == "int8-weights" ? LoadInt8Weights(reference.Folder) : Load(reference.Folder, Modes[mode]);
        PerplexityResult result = Perplexity.Measure(model, ids, new PerplexityOptions { Window = text.Window });
        double expected = text.Perplexities[mode];
        TestContext.Out.WriteLine($"{result.Perplexity:f6}, reference {expected:f6}, difference {100 * (result.Perplexity / expected - 1):f4} %, {result.TokensPerSecond:f0} tokens/s");
        Assert.That(result.ScoredTokens, Is.EqualTo(text.ScoredTokens));
        Assert.That(result.Perplexity, Is.EqualTo(expected).Within(mode == "fp32" ? 0.1 : 0.5).Percent);
    }

    private static CausalLM Load(string folder, QuantizationConfig? quantization) =>
        CausalLM.Load(folder, new LoadOptions { Quantization = quantization, LoadTokenizer = false });

    // Int8 weights with f32 activations are no mode of bitsandbytes: the weights are quantized, dequantized and run as f32.
    private static CausalLM LoadInt8Weights(string folder)
    {
        using CausalLM quantized = Load(folder, QuantizationConfig.Int8);
        using var temporary = new TemporaryFolder();
        File.Copy(Path.Combine(folder, "config.json"), temporary.Combine("config.json"));
        using (var writer = new SafetensorsWriter(temporary.Combine("model.safetensors")))
        {
            foreach (ModelWeight weight in quantized.Weights)
            {
                writer.Declare(weight.Name, "F32", weight.Shape.ToArray());
            }
            foreach (ModelWeight weight in quantized.Weights)
            {
                writer.Write(weight.Name, SyntheticModel.Bytes(weight.ToFloats(), "F32"));
            }
            writer.Commit();
        }
        return Load(temporary.Path, null);
    }

    private static double Margin(float[] logits, out int best)
    {
        best = Array.IndexOf(logits, logits.Max());
        int first = best;
        return logits[best] - logits.Where((_, i) => i != first).Max();
    }
}

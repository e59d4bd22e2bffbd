using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public class GenerationOptionsTests
{
    private static readonly object[] OutOfRange =
    [
        new object[] { new GenerationOptions { MaxNewTokens = 0 }, "MaxNewTokens", "got 0" },
        new object[] { new GenerationOptions { Temperature = 0 }, "Temperature", "got 0" },
        new object[] { new GenerationOptions { Temperature = float.NaN }, "Temperature", "got NaN" },
        new object[] { new GenerationOptions { TopK = -1 }, "TopK", "got -1" },
        new object[] { new GenerationOptions { TopP = 0 }, "TopP", "got 0" },
        new object[] { new GenerationOptions { TopP = 1.5f }, "TopP", "got 1.5" },
        new object[] { new GenerationOptions { MinP = -0.5f }, "MinP", "got -0.5" },
        new object[] { new GenerationOptions { RepetitionPenalty = 0 }, "RepetitionPenalty", "got 0" },
        new object[] { new GenerationOptions { StopStrings = [""] }, "StopStrings", "an empty one" },
    ];

    [TestCaseSource(nameof(OutOfRange))]
    public void A_value_out_of_range_is_refused_by_name(GenerationOptions options, string name, string got) =>
        Assert.That(options.Validate, Throws.ArgumentException.With.Message.Contains(name).And.Message.Contains("expected").And.Message.Contains(got));

    [Test]
    public void Defaults_are_valid_and_greedy()
    {
        var options = new GenerationOptions();
        Assert.That(options.Validate, Throws.Nothing);
        Assert.That(options.DoSample, Is.False);
    }

    [Test]
    public void A_generation_config_becomes_options()
    {
        GenerationOptions options = GenerationOptions.FromConfig(GenerationConfig.FromJson(
            """{"do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.05, "eos_token_id": [7, 8], "max_new_tokens": 12}"""));
        Assert.That(options.DoSample, Is.True);
        Assert.That(options.Temperature, Is.EqualTo(0.6f));
        Assert.That(options.TopP, Is.EqualTo(0.9f));
        Assert.That(options.TopK, Is.EqualTo(20));
        Assert.That(options.RepetitionPenalty, Is.EqualTo(1.05f));
        Assert.That(options.EosTokenIds, Is.EqualTo(new[] { 7, 8 }));
        Assert.That(options.MaxNewTokens, Is.EqualTo(12));
        Assert.That(options.Validate, Throws.Nothing);
    }

    [Test]
    public void An_empty_generation_config_becomes_the_defaults() =>
        Assert.That(GenerationOptions.FromConfig(GenerationConfig.Empty), Is.EqualTo(new GenerationOptions()));

    [Test]
    public void A_temperature_of_zero_in_a_generation_config_means_greedy() =>
        Assert.That(GenerationOptions.FromConfig(GenerationConfig.FromJson("""{"do_sample": true, "temperature": 0}""")).DoSample, Is.False);
}

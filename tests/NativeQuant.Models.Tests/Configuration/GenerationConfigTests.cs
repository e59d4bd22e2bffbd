using NUnit.Framework;

namespace NativeQuant.Models.Tests.Configuration;

[TestFixture]
public sealed class GenerationConfigTests
{
    [Test]
    public void The_sample_model_is_read()
    {
        GenerationConfig config = GenerationConfig.FromFile(Path.Combine(Repository.TinyLlama, "generation_config.json"));

        Assert.That((config.BosTokenId, config.PadTokenId, config.DoSample), Is.EqualTo((2044, 2045, false)));
        Assert.That(config.EosTokenIds, Is.EqualTo(new[] { 2045 }));
        Assert.That((config.Temperature, config.TopK, config.TopP, config.MaxNewTokens), Is.EqualTo(((double?)null, (int?)null, (double?)null, (int?)null)));
    }

    [Test]
    public void All_fields_are_read_and_unknown_ones_ignored()
    {
        GenerationConfig config = GenerationConfig.FromJson(
            """
            {"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": 0, "do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.05,
             "repetition_penalty": 1.1, "max_new_tokens": 100, "max_length": 4096, "transformers_version": "4.51.0", "cache": {"x": [1]}}
            """);

        Assert.Multiple(() =>
        {
            Assert.That((config.BosTokenId, config.PadTokenId, config.DoSample), Is.EqualTo((1, 0, true)));
            Assert.That(config.EosTokenIds, Is.EqualTo(new[] { 2, 3 }));
            Assert.That((config.Temperature, config.TopK, config.TopP, config.MinP), Is.EqualTo((0.6, 20, 0.95, 0.05)));
            Assert.That((config.RepetitionPenalty, config.MaxNewTokens, config.MaxLength), Is.EqualTo((1.1, 100, 4096)));
        });
    }

    [TestCase("{}")]
    [TestCase("""{"eos_token_id": null, "temperature": null, "top_k": null, "do_sample": null}""")]
    public void Absent_and_null_say_nothing(string json)
    {
        GenerationConfig config = GenerationConfig.FromJson(json);

        Assert.That(config.EosTokenIds, Is.Empty);
        Assert.That(config, Is.EqualTo(GenerationConfig.Empty with { EosTokenIds = config.EosTokenIds }));
    }

    [TestCase("temperature", "-1")]
    [TestCase("temperature", "\"0.5\"")]
    [TestCase("temperature", "1e999")]
    [TestCase("top_k", "-1")]
    [TestCase("top_k", "2.5")]
    [TestCase("top_p", "1.5")]
    [TestCase("min_p", "-0.1")]
    [TestCase("repetition_penalty", "0")]
    [TestCase("max_new_tokens", "-1")]
    [TestCase("max_length", "99999999999")]
    [TestCase("do_sample", "1")]
    [TestCase("eos_token_id", "\"</s>\"")]
    public void A_field_of_the_wrong_type_or_size_is_refused(string field, string json) =>
        Assert.That(
            () => GenerationConfig.FromJson($"{{\"{field}\": {json}}}", "here.json"),
            Throws.TypeOf<ConfigurationException>().With.Property(nameof(ConfigurationException.Field)).EqualTo(field).And.Message.StartsWith($"here.json: {field}: "));
}

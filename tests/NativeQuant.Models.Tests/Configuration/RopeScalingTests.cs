using NUnit.Framework;

namespace NativeQuant.Models.Tests.Configuration;

[TestFixture]
public sealed class RopeScalingTests
{
    private const string Llama3 =
        """{"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}""";

    [TestCase("rope_scaling")]
    [TestCase("rope_parameters")]
    public void Llama3_has_its_four_numbers_under_the_old_and_the_new_name(string field)
    {
        RopeScaling scaling = Read(field, Llama3).RopeScaling!;

        Assert.That(
            (scaling.RopeType, scaling.Factor, scaling.LowFreqFactor, scaling.HighFreqFactor, scaling.OriginalMaxPositionEmbeddings),
            Is.EqualTo(("llama3", 32.0, 1.0, 4.0, 8192)));
    }

    [TestCase("""{"type": "linear", "factor": 4}""")]
    [TestCase("""{"rope_type": "linear", "factor": 4.0}""")]
    [TestCase("""{"rope_type": "linear", "type": "default", "factor": 4.0}""")]
    public void Linear_has_a_factor(string json)
    {
        RopeScaling scaling = Read("rope_scaling", json).RopeScaling!;

        Assert.That((scaling.RopeType, scaling.Factor), Is.EqualTo(("linear", 4.0)));
    }

    [TestCase("rope_scaling", "null")]
    [TestCase("rope_scaling", """{"rope_type": "default"}""")]
    [TestCase("rope_parameters", """{"rope_type": "default", "rope_theta": 500000.0}""")]
    [TestCase("rope_parameters", "null")]
    public void The_default_is_no_scaling(string field, string json) => Assert.That(Read(field, json).RopeScaling, Is.Null);

    [Test]
    public void The_base_of_the_frequencies_is_read_from_the_new_place_first()
    {
        Assert.That(Read("rope_parameters", """{"rope_type": "default", "rope_theta": 500000.0}""").RopeTheta, Is.EqualTo(500000));
        Assert.That(
            ModelConfig.FromJson(ConfigText.With(("rope_theta", "1000000"), ("rope_parameters", """{"rope_type": "default", "rope_theta": 500000.0}"""))).RopeTheta,
            Is.EqualTo(500000));
        Assert.That(Read("rope_theta", "1000000").RopeTheta, Is.EqualTo(1e6));
    }

    [Test]
    public void Methods_with_fields_of_their_own_keep_the_JSON()
    {
        RopeScaling scaling = Read("rope_scaling", """{"rope_type": "yarn", "factor": 4.0, "beta_fast": 32}""").RopeScaling!;

        Assert.That(scaling.RopeType, Is.EqualTo("yarn"));
        Assert.That(scaling.Json.GetProperty("beta_fast").GetInt32(), Is.EqualTo(32));
    }

    [Test]
    public void An_object_for_each_kind_of_attention_is_left_to_the_architecture()
    {
        ModelConfig config = Read("rope_parameters", """{"full_attention": {"rope_type": "linear", "factor": 8.0}, "sliding_attention": {"rope_type": "default"}}""");

        Assert.That(config.RopeScaling, Is.Null);
        Assert.That(config.Json.GetProperty("rope_parameters").GetProperty("full_attention").GetProperty("factor").GetDouble(), Is.EqualTo(8));
    }

    [TestCase("{}", "rope_scaling.rope_type")]
    [TestCase("""{"rope_type": 3}""", "rope_scaling.rope_type")]
    [TestCase("""{"rope_type": "linear"}""", "rope_scaling.factor")]
    [TestCase("""{"rope_type": "linear", "factor": 0}""", "rope_scaling.factor")]
    [TestCase("""{"rope_type": "linear", "factor": "4"}""", "rope_scaling.factor")]
    [TestCase("""{"rope_type": "dynamic"}""", "rope_scaling.factor")]
    [TestCase("""{"rope_type": "llama3", "factor": 8, "high_freq_factor": 4, "original_max_position_embeddings": 8192}""", "rope_scaling.low_freq_factor")]
    [TestCase("""{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "original_max_position_embeddings": 8192}""", "rope_scaling.high_freq_factor")]
    [TestCase("""{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}""", "rope_scaling.original_max_position_embeddings")]
    [TestCase("""{"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 8192}""", "rope_scaling.high_freq_factor")]
    public void Missing_or_wrong_numbers_are_refused(string json, string field) =>
        Assert.That(() => Read("rope_scaling", json), Throws.TypeOf<ConfigurationException>().With.Property(nameof(ConfigurationException.Field)).EqualTo(field));

    private static ModelConfig Read(string field, string json) => ModelConfig.FromJson(ConfigText.With((field, json)));
}

using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public class SamplerTests
{
    // Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 at temperature 1, out of order.
    private static readonly float[] Logits = [.. new[] { 0.0625, 0.5, 0.125, 0.25, 0.0625 }.Select(p => (float)Math.Log(p))];

    [Test]
    public void Greedy_takes_the_largest_logit_and_the_lowest_id_among_equals()
    {
        Assert.That(Choose(new GenerationOptions(), [1, 3, 2, 3]), Is.EqualTo(1));
        Assert.That(Choose(new GenerationOptions(), [float.NegativeInfinity, -5, float.NegativeInfinity]), Is.EqualTo(1));
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void A_logit_that_is_no_number_is_an_error_that_names_position_and_token(float bad) =>
        Assert.That(
            () => new Sampler(new GenerationOptions(), 3).Choose([1, 2, bad], position: 11),
            Throws.TypeOf<InvalidLogitsException>().With.Message.Contains("position 11").And.Message.Contains("token 2"));

    [Test]
    public void Logits_that_are_all_negative_infinity_are_an_error() =>
        Assert.That(() => new Sampler(new GenerationOptions(), 2).Choose([float.NegativeInfinity, float.NegativeInfinity], 0), Throws.TypeOf<InvalidLogitsException>());

    [Test]
    public void Draws_follow_the_softmax_of_the_logits() =>
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 0 }), Is.EqualTo(new[] { 0.0625, 0.5, 0.125, 0.25, 0.0625 }).Within(0.01));

    [Test]
    public void Temperature_divides_the_logits()
    {
        // At temperature 0.5 probabilities are squared: 0.25, 0.0625, 0.015625 and twice 0.00390625.
        double sum = 0.25 + 0.0625 + 0.015625 + 2 * 0.00390625;
        double[] expected = [0.00390625 / sum, 0.25 / sum, 0.015625 / sum, 0.0625 / sum, 0.00390625 / sum];
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 0, Temperature = 0.5f }), Is.EqualTo(expected).Within(0.01));
    }

    [Test]
    public void Top_k_keeps_the_k_most_probable() =>
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 2 }), Is.EqualTo(new[] { 0, 2 / 3.0, 0, 1 / 3.0, 0 }).Within(0.01));

    [Test]
    public void Top_k_keeps_all_that_equal_the_kth() =>
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 4 }), Is.EqualTo(new[] { 0.0625, 0.5, 0.125, 0.25, 0.0625 }).Within(0.01));

    [TestCase(0.49f, 1)]
    [TestCase(0.51f, 2)]
    [TestCase(0.8f, 3)]
    public void Top_p_keeps_the_fewest_whose_probabilities_reach_p(float topP, int kept) =>
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 0, TopP = topP }).Count(share => share > 0), Is.EqualTo(kept));

    [Test]
    public void Top_p_counts_probabilities_after_temperature() =>
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 0, Temperature = 0.5f, TopP = 0.73f }).Count(share => share > 0), Is.EqualTo(1));

    [TestCase(0.2f, 3)]
    [TestCase(0.3f, 2)]
    [TestCase(1f, 1)]
    public void Min_p_drops_tokens_below_a_share_of_the_most_probable(float minP, int kept) =>
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 0, MinP = minP }).Count(share => share > 0), Is.EqualTo(kept));

    [Test]
    public void Filters_apply_one_after_another() =>
        // top-k leaves 1/2, 1/4, 1/8 (of 7/8); top-p 0.6 of that leaves two; min-p 0.6 leaves one.
        Assert.That(Frequencies(new GenerationOptions { DoSample = true, TopK = 3, TopP = 0.6f, MinP = 0.6f }), Is.EqualTo(new double[] { 0, 1, 0, 0, 0 }).Within(1e-9));

    [Test]
    public void Repetition_penalty_divides_positive_and_multiplies_negative_logits_of_ids_seen()
    {
        var sampler = new Sampler(new GenerationOptions { RepetitionPenalty = 2 }, 3);
        Assert.That(sampler.Choose([3, 2, -1], 0), Is.Zero);
        sampler.Observe(0);
        Assert.That(sampler.Choose([3, 2, -1], 0), Is.EqualTo(1));
        sampler.Observe(1);
        Assert.That(sampler.Choose([3, 2, -1], 0), Is.Zero, "1.5 against 1 against -1.");
        Assert.That(sampler.Choose([-3, -2, -5], 0), Is.EqualTo(1), "-6 against -4 against -5.");
    }

    [Test]
    public void The_same_seed_draws_the_same_tokens_and_another_seed_others()
    {
        int[] Draw(ulong seed)
        {
            var sampler = new Sampler(new GenerationOptions { DoSample = true, Seed = seed }, Logits.Length);
            return [.. Enumerable.Range(0, 64).Select(_ => sampler.Choose(Logits, 0))];
        }

        Assert.That(Draw(5), Is.EqualTo(Draw(5)));
        Assert.That(Draw(6), Is.Not.EqualTo(Draw(5)));
    }

    [Test]
    public void The_generator_is_xoshiro256_starstar_seeded_by_splitmix64()
    {
        var random = new RandomSource(42);
        ulong[] got = [random.NextUInt64(), random.NextUInt64(), random.NextUInt64(), random.NextUInt64()];
        Assert.That(got, Is.EqualTo(new[] { 0x15780b2e0c2ec716UL, 0x6104d9866d113a7eUL, 0xae17533239e499a1UL, 0xecb8ad4703b360a1UL }));
    }

    [Test]
    public void Uniform_numbers_lie_in_the_unit_interval_and_average_a_half()
    {
        var random = new RandomSource(1);
        double[] numbers = [.. Enumerable.Range(0, 100_000).Select(_ => random.NextDouble())];
        Assert.That(numbers, Is.All.InRange(0, 1 - Math.Pow(2, -53)));
        Assert.That(numbers.Average(), Is.EqualTo(0.5).Within(0.005));
    }

    private static int Choose(GenerationOptions options, float[] logits) => new Sampler(options, logits.Length).Choose(logits, 0);

    private static double[] Frequencies(GenerationOptions options)
    {
        const int Draws = 40_000;
        var sampler = new Sampler(options with { Seed = 99 }, Logits.Length);
        double[] shares = new double[Logits.Length];
        for (int i = 0; i < Draws; i++)
        {
            shares[sampler.Choose(Logits, 0)] += 1.0 / Draws;
        }
        return shares;
    }
}

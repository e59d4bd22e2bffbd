using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

[TestFixture]
internal sealed class GenerateCommandTests
{
    private const string Prompt = "It was a dark and stormy night, and the old man";

    [Test]
    public async Task Greedy_tokens_in_fp32_are_those_of_the_reference()
    {
        using JsonDocument reference = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Repository.TinyLlama, "reference.json")));
        JsonElement greedy = reference.RootElement.GetProperty("greedy")[0];
        int promptLength = greedy.GetProperty("prompt_ids").GetArrayLength();
        int[] expected = [.. greedy.GetProperty("ids").EnumerateArray().Skip(promptLength).Select(static id => id.GetInt32())];

        JsonElement result = await CommandLine.RunJsonAsync("generate", Repository.TinyLlama, Prompt, "--dtype", "float32", "--max-new-tokens", $"{expected.Length}");

        Assert.Multiple(() =>
        {
            Assert.That(greedy.GetProperty("prompt_text").GetString(), Is.EqualTo(Prompt));
            Assert.That(result.GetProperty("tokens").EnumerateArray().Select(static token => token.GetProperty("id").GetInt32()), Is.EqualTo(expected));
            Assert.That(result.GetProperty("finish_reason").GetString(), Is.EqualTo("max_new_tokens"));
        });
    }

    [TestCase("--load-in-8bit")]
    [TestCase("--load-in-4bit")]
    [TestCase("--load-in-4bit", "--bnb-4bit-quant-type", "nf4", "--bnb-4bit-use-double-quant", "--bnb-4bit-compute-dtype", "bfloat16")]
    [TestCase("--load-in-8bit", "--llm-int8-threshold", "0", "--llm-int8-skip-modules", "lm_head", "down_proj")]
    [TestCase("--lm-head", "int8")]
    public async Task Every_quantization_option_is_taken(params string[] options)
    {
        JsonElement result = await CommandLine.RunJsonAsync(["generate", Repository.TinyLlama, Prompt, "--max-new-tokens", "8", .. options]);

        JsonElement[] tokens = [.. result.GetProperty("tokens").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(tokens, Has.Length.EqualTo(8));
            Assert.That(string.Concat(tokens.Select(static token => token.GetProperty("text").GetString())), Is.EqualTo(result.GetProperty("text").GetString()));
            Assert.That(tokens.Select(static token => token.GetProperty("log_probability").GetDouble()), Has.All.InRange(-20, 0));
        });
    }

    [Test]
    public async Task A_narrow_kv_cache_takes_less_and_continues_the_same()
    {
        string[] arguments = ["generate", Repository.TinyLlama, Prompt, "--max-new-tokens", "16"];

        JsonElement wide = await CommandLine.RunJsonAsync(arguments);
        JsonElement narrow = await CommandLine.RunJsonAsync([.. arguments, "--kv-cache", "bfloat16"]);

        Assert.Multiple(() =>
        {
            Assert.That(narrow.GetProperty("text").GetString(), Is.EqualTo(wide.GetProperty("text").GetString()));
            Assert.That(2 * narrow.GetProperty("kv_cache_bytes").GetInt64(), Is.EqualTo(wide.GetProperty("kv_cache_bytes").GetInt64()));
        });
    }

    [Test]
    public async Task Int8_activations_change_log_probabilities_a_little()
    {
        string[] arguments = ["generate", Repository.TinyLlama, Prompt, "--load-in-4bit", "--bnb-4bit-quant-type", "nf4", "--max-new-tokens", "1"];

        double exact = FirstLogProbability(await CommandLine.RunJsonAsync(arguments));
        double approximate = FirstLogProbability(await CommandLine.RunJsonAsync([.. arguments, "--activations", "int8"]));

        Assert.That(approximate, Is.Not.EqualTo(exact).And.EqualTo(exact).Within(0.1));

        static double FirstLogProbability(JsonElement result) => result.GetProperty("tokens")[0].GetProperty("log_probability").GetDouble();
    }

    [Test]
    public async Task Int8_activations_need_4_bit_layers()
    {
        CommandResult result = await CommandLine.RunAsync(["generate", Repository.TinyLlama, Prompt, "--activations", "int8"]);

        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Error, Does.Contain("expected a model quantized to 4 bits"));
    }

    [Test]
    public async Task A_seed_makes_the_draws_repeatable()
    {
        string[] arguments = ["generate", Repository.TinyLlama, Prompt, "--max-new-tokens", "12", "--do-sample", "--temperature", "1.5", "--seed"];

        string?[] texts =
        [
            (await CommandLine.RunJsonAsync([.. arguments, "1"])).GetProperty("text").GetString(),
            (await CommandLine.RunJsonAsync([.. arguments, "1"])).GetProperty("text").GetString(),
            (await CommandLine.RunJsonAsync([.. arguments, "2"])).GetProperty("text").GetString(),
        ];

        Assert.That(texts[1], Is.EqualTo(texts[0]));
        Assert.That(texts[2], Is.Not.EqualTo(texts[0]));
    }

    [Test]
    public async Task A_stop_string_ends_the_text_before_it()
    {
        JsonElement result = await CommandLine.RunJsonAsync("generate", Repository.TinyLlama, Prompt, "--dtype", "float32", "--stop", "pale");

        Assert.Multiple(() =>
        {
            Assert.That(result.GetProperty("finish_reason").GetString(), Is.EqualTo("stop_string"));
            Assert.That(result.GetProperty("text").GetString(), Is.Not.Empty.And.Not.Contain("pale"));
        });
    }

    [Test]
    public async Task Without_a_prompt_it_continues_standard_input()
    {
        string[] arguments = ["generate", Repository.TinyLlama, "--max-new-tokens", "8"];

        CommandResult piped = await CommandLine.RunAsync(arguments, input: Prompt);
        CommandResult given = await CommandLine.RunAsync(["generate", Repository.TinyLlama, Prompt, "--max-new-tokens", "8"]);

        Assert.Multiple(() =>
        {
            Assert.That(piped.ExitCode, Is.Zero, piped.ToString());
            Assert.That(piped.Output, Has.Length.GreaterThan(5).And.EqualTo(given.Output));
            Assert.That(piped.Error, Does.Contain("8 tokens"));
        });
    }
}

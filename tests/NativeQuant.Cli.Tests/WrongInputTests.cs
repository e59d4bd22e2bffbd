using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

/// <summary>Wrong input of each kind: the exit code says whose fault it is, one line says what is wrong, and nothing is on standard output.</summary>
[TestFixture]
internal sealed class WrongInputTests
{
    private static readonly string OwnText = Path.Combine(Repository.TinyLlama, "own-text.txt");

    [TestCase("Unrecognized command", "frobnicate")]
    [TestCase("Required argument missing", "generate")]
    [TestCase("Unrecognized option '--bogus'", "generate", "model", "--bogus")]
    [TestCase("--temperature needs --do-sample", "generate", "model", "prompt", "--temperature", "2")]
    [TestCase("--seed", "generate", "model", "prompt", "--do-sample", "--seed", "soon")]
    [TestCase("exclude each other", "generate", "model", "prompt", "--load-in-8bit", "--load-in-4bit")]
    [TestCase("--bnb-4bit-quant-type needs --load-in-4bit", "generate", "model", "prompt", "--bnb-4bit-quant-type", "nf4")]
    [TestCase("'int3'", "generate", "model", "prompt", "--load-in-4bit", "--bnb-4bit-quant-type", "int3")]
    [TestCase("--llm-int8-threshold needs --load-in-8bit", "generate", "model", "prompt", "--load-in-4bit", "--llm-int8-threshold", "6")]
    [TestCase("--llm-int8-threshold must be 0 or greater", "generate", "model", "prompt", "--load-in-8bit", "--llm-int8-threshold", "-1")]
    [TestCase("--threads must be 0 or greater", "generate", "model", "prompt", "--threads", "-2")]
    [TestCase("--text", "perplexity", "model")]
    [TestCase("--window must be 1 or greater", "perplexity", "model", "--text", "text", "--window", "0")]
    [TestCase("A prompt is needed", "generate", "model")]
    [TestCase("Say how to quantize", "quantize", "model", "output")]
    public async Task A_wrong_command_line_is_a_usage_error(string message, params string[] arguments)
    {
        CommandResult result = await CommandLine.RunAsync(arguments);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Usage), result.ToString());
            Assert.That(result.Error, Does.StartWith("error: ").And.Contain(message).And.Contain("--help"));
            Assert.That(result.Output, Is.Empty);
        });
    }

    [TestCase("inspect")]
    [TestCase("generate", "prompt")]
    [TestCase("perplexity", "--text", "TEXT")]
    [TestCase("compare", "--text", "TEXT")]
    [TestCase("quantize", "output", "--load-in-8bit")]
    public async Task A_folder_that_is_not_there_is_named(string command, params string[] rest)
    {
        string missing = Path.Combine(Path.GetTempPath(), "no-such-model-folder");

        CommandResult result = await CommandLine.RunAsync([command, missing, .. rest.Select(static argument => argument == "TEXT" ? OwnText : argument)]);

        AssertFailure(result, "no such folder", missing);
    }

    [TestCase("inspect")]
    [TestCase("generate", "prompt")]
    public async Task A_folder_without_a_model_is_named(string command, params string[] rest)
    {
        using TemporaryFolder folder = new();

        CommandResult result = await CommandLine.RunAsync([command, folder.Path, .. rest]);

        AssertFailure(result, folder.Path);
    }

    [Test]
    public async Task A_file_in_place_of_a_folder_is_recognised() =>
        AssertFailure(await CommandLine.RunAsync(["inspect", OwnText]), "got a file", OwnText);

    [Test]
    public async Task An_unknown_architecture_is_named_with_those_that_are_known()
    {
        using TemporaryFolder folder = await CopyOfTinyLlamaAsync(static config => config.Replace("LlamaForCausalLM", "FrobForCausalLM", StringComparison.Ordinal));

        CommandResult generated = await CommandLine.RunAsync(["generate", folder.Path, "prompt"]);
        CommandResult inspected = await CommandLine.RunAsync(["inspect", folder.Path]);

        AssertFailure(generated, "FrobForCausalLM", "MistralForCausalLM");
        Assert.That(inspected.ExitCode, Is.Zero, "its tensors can be listed all the same");
        Assert.That(inspected.Output, Does.Contain("FrobForCausalLM (cannot be run)"));
    }

    [Test]
    public async Task Broken_json_in_config_is_named()
    {
        using TemporaryFolder folder = await CopyOfTinyLlamaAsync(static config => config[..^20]);

        AssertFailure(await CommandLine.RunAsync(["inspect", folder.Path]), "config.json");
        AssertFailure(await CommandLine.RunAsync(["generate", folder.Path, "prompt"]), "config.json");
    }

    [Test]
    public async Task A_truncated_checkpoint_is_named()
    {
        using TemporaryFolder folder = await CopyOfTinyLlamaAsync(static config => config);
        string weights = folder.Combine("model.safetensors");
        byte[] bytes = await File.ReadAllBytesAsync(weights);
        File.Delete(weights);
        await File.WriteAllBytesAsync(weights, bytes[..(bytes.Length / 2)]);

        AssertFailure(await CommandLine.RunAsync(["generate", folder.Path, "prompt"]), "model.safetensors");
    }

    [Test]
    public async Task A_model_without_tokenizer_cannot_take_text()
    {
        using TemporaryFolder folder = await CopyOfTinyLlamaAsync(static config => config);
        File.Delete(folder.Combine("tokenizer.json"));

        AssertFailure(await CommandLine.RunAsync(["generate", folder.Path, "prompt"]), folder.Path, "tokenizer.json");
    }

    [Test]
    public async Task A_text_that_is_not_there_is_named() =>
        AssertFailure(await CommandLine.RunAsync(["perplexity", Repository.TinyLlama, "--text", "no-such-text.txt"]), "no-such-text.txt");

    [Test]
    public async Task A_text_shorter_than_a_window_is_an_error()
    {
        using TemporaryFolder folder = new();
        string text = folder.Combine("short.txt");
        await File.WriteAllTextAsync(text, "Too short.");

        AssertFailure(await CommandLine.RunAsync(["perplexity", Repository.TinyLlama, "--text", text]), "256");
    }

    [Test]
    public async Task A_prompt_longer_than_the_context_is_an_error()
    {
        string prompt = string.Concat(Enumerable.Repeat("the old man and ", 100));

        AssertFailure(await CommandLine.RunAsync(["generate", Repository.TinyLlama, prompt]), "256");
    }

    [Test]
    public async Task A_device_that_is_not_there_comes_with_advice() =>
        AssertFailure(await CommandLine.RunAsync(["generate", Repository.TinyLlama, "prompt", "--device", "cuda:99"]), "cuda:99", "--device cpu");

    [Test]
    public async Task Where_a_failure_arose_is_shown_only_when_asked_for()
    {
        CommandResult quiet = await CommandLine.RunAsync(["inspect", "no-such-folder"]);
        CommandResult verbose = await CommandLine.RunAsync(["inspect", "no-such-folder", "--verbose"]);

        Assert.Multiple(() =>
        {
            Assert.That(quiet.Error, Does.Not.Contain("   at "));
            Assert.That(verbose.Error, Does.Contain("   at ").And.StartWith(quiet.Error.TrimEnd()));
        });
    }

    private static void AssertFailure(CommandResult result, params string[] parts) => Assert.Multiple(() =>
    {
        string[] lines = [.. result.Error.Split('\n').Where(static line => line.StartsWith("error: ", StringComparison.Ordinal))];
        Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure), result.ToString());
        Assert.That(lines, Has.Length.EqualTo(1), result.ToString());
        Assert.That(parts, Has.All.Matches<string>(part => lines[0].Contains(part, StringComparison.Ordinal)), result.ToString());
        Assert.That(result.Error, Does.Not.Contain("   at "), "no stack trace");
        Assert.That(result.Output, Is.Empty);
    });

    // A model with another config.json; everything else is linked.
    private static async Task<TemporaryFolder> CopyOfTinyLlamaAsync(Func<string, string> changeConfig)
    {
        TemporaryFolder folder = new();
        foreach (string file in (string[])["model.safetensors", "tokenizer.json", "generation_config.json"])
        {
            File.CreateSymbolicLink(folder.Combine(file), Path.Combine(Repository.TinyLlama, file));
        }
        string config = await File.ReadAllTextAsync(Path.Combine(Repository.TinyLlama, "config.json"));
        await File.WriteAllTextAsync(folder.Combine("config.json"), changeConfig(config));
        return folder;
    }
}

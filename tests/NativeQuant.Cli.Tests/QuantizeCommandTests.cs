using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

[TestFixture]
internal sealed class QuantizeCommandTests
{
    private static readonly string[] Text = ["--text", Path.Combine(Repository.TinyLlama, "own-text.txt"), "--max-windows", "3"];

    [TestCase("int8", "--load-in-8bit")]
    [TestCase("fp4", "--load-in-4bit")]
    [TestCase("nf4 + double quantization", "--load-in-4bit", "--bnb-4bit-quant-type", "nf4", "--bnb-4bit-use-double-quant")]
    public async Task What_it_writes_is_quantized_and_predicts_as_the_model_quantized_on_loading(string format, params string[] options)
    {
        using TemporaryFolder folder = new();
        string output = folder.Combine("quantized");

        JsonElement written = await CommandLine.RunJsonAsync(["quantize", Repository.TinyLlama, output, .. options]);
        JsonElement inspected = await CommandLine.RunJsonAsync("inspect", output);
        JsonElement loaded = await CommandLine.RunJsonAsync(["perplexity", output, .. Text]);
        JsonElement onLoading = await CommandLine.RunJsonAsync(["perplexity", Repository.TinyLlama, .. Text, .. options]);

        Assert.Multiple(() =>
        {
            Assert.That(inspected.GetProperty("bytes").GetInt64(), Is.EqualTo(written.GetProperty("weight_bytes").GetInt64()).Within(6 * 7 * 4), "4 bytes a matrix for the offset of double quantization");
            Assert.That(inspected.GetProperty("weights").EnumerateArray().Count(weight => weight.GetProperty("format").ValueEquals(format)), Is.EqualTo(6 * 7));
            Assert.That(loaded.GetProperty("perplexity").GetDouble(), Is.EqualTo(onLoading.GetProperty("perplexity").GetDouble()));
        });
    }

    [Test]
    public async Task It_never_writes_into_a_folder_with_content()
    {
        using TemporaryFolder folder = new();
        string kept = folder.Combine("kept.txt");
        await File.WriteAllTextAsync(kept, "kept");

        CommandResult result = await CommandLine.RunAsync(["quantize", Repository.TinyLlama, folder.Path, "--load-in-8bit"]);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure), result.ToString());
            Assert.That(result.Error, Does.Contain(folder.Path));
            Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.EqualTo(new[] { kept }));
        });
    }

    [Test]
    public async Task An_output_that_cannot_be_written_is_named_and_leaves_nothing()
    {
        using TemporaryFolder folder = new();
        string file = folder.Combine("file");
        await File.WriteAllTextAsync(file, "");

        CommandResult result = await CommandLine.RunAsync(["quantize", Repository.TinyLlama, Path.Combine(file, "output"), "--load-in-4bit"]);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Failure), result.ToString());
            Assert.That(result.Error, Does.Contain(file));
            Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.EqualTo(new[] { file }));
        });
    }
}

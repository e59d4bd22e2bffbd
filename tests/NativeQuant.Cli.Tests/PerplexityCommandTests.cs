using System.Globalization;
using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

[TestFixture]
internal sealed class PerplexityCommandTests
{
    private static readonly string Text = Path.Combine(Repository.TinyLlama, "own-text.txt");

    [Test]
    public async Task It_measures_as_many_windows_as_asked_for()
    {
        JsonElement result = await CommandLine.RunJsonAsync("perplexity", Repository.TinyLlama, "--text", Text, "--window", "128", "--max-windows", "6");

        Assert.Multiple(() =>
        {
            Assert.That(result.GetProperty("window").GetInt32(), Is.EqualTo(128));
            Assert.That(result.GetProperty("windows").GetInt32(), Is.EqualTo(6));
            Assert.That(result.GetProperty("scored_tokens").GetInt32(), Is.EqualTo(6 * 128));
            Assert.That(result.GetProperty("perplexity").GetDouble(), Is.InRange(25, 50));
        });
    }

    [Test]
    public async Task The_text_gives_the_same_figure_as_the_json()
    {
        string[] arguments = ["perplexity", Repository.TinyLlama, "--text", Text, "--max-windows", "2", "--load-in-4bit"];
        double perplexity = (await CommandLine.RunJsonAsync(arguments)).GetProperty("perplexity").GetDouble();

        CommandResult result = await CommandLine.RunAsync(arguments);

        Assert.That(result.Output, Does.Contain(perplexity.ToString("0.0000", CultureInfo.InvariantCulture)).And.Contain("512 tokens"));
    }
}

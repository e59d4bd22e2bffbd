using System.Text.Json;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

[TestFixture]
internal sealed class DoctorCommandTests
{
    [Test]
    public async Task It_names_the_library_that_was_loaded()
    {
        JsonElement library = (await CommandLine.RunJsonAsync("doctor")).GetProperty("native_library");

        Assert.Multiple(() =>
        {
            Assert.That(library.GetProperty("path").GetString(), Does.Exist);
            Assert.That(library.GetProperty("abi").GetString(), Does.Match(@"^\d+\.\d+$"));
            Assert.That(library.GetProperty("build").GetString(), Does.Contain("NativeQuant"));
        });
    }

    [Test]
    public async Task The_implementation_chosen_is_one_that_runs_here()
    {
        JsonElement cpu = (await CommandLine.RunJsonAsync("doctor")).GetProperty("cpu");

        JsonElement[] implementations = [.. cpu.GetProperty("implementations").EnumerateArray()];
        JsonElement chosen = implementations.Single(implementation => implementation.GetProperty("name").ValueEquals(cpu.GetProperty("implementation").GetString()));

        Assert.Multiple(() =>
        {
            Assert.That(chosen.GetProperty("supported").GetBoolean());
            Assert.That(chosen.GetProperty("selected").GetBoolean());
            Assert.That(implementations.Last().GetProperty("name").GetString(), Is.EqualTo("scalar"));
            Assert.That(cpu.GetProperty("threads").GetInt32(), Is.GreaterThan(0));
        });
    }

    [Test]
    public async Task Memory_available_is_some_of_the_memory_there_is()
    {
        JsonElement memory = (await CommandLine.RunJsonAsync("doctor")).GetProperty("memory");

        Assert.That(memory.GetProperty("available_bytes").GetInt64(), Is.InRange(1, memory.GetProperty("total_bytes").GetInt64()));
    }

    [Test]
    public async Task A_gpu_is_there_or_it_says_why_not()
    {
        JsonElement gpu = (await CommandLine.RunJsonAsync("doctor")).GetProperty("gpu");

        string? said = gpu.GetProperty(gpu.GetProperty("available").GetBoolean() ? "implementation" : "reason").GetString();

        Assert.That(said, Is.Not.Empty);
    }

    [Test]
    public async Task The_text_says_the_same_as_the_json()
    {
        JsonElement report = await CommandLine.RunJsonAsync("doctor");

        CommandResult text = await CommandLine.RunAsync(["doctor"]);

        Assert.Multiple(() =>
        {
            Assert.That(text.ExitCode, Is.Zero);
            Assert.That(text.Output, Does.Contain(report.GetProperty("native_library").GetProperty("path").GetString()!));
            Assert.That(text.Output, Does.Contain(report.GetProperty("cpu").GetProperty("implementation").GetString()!));
        });
    }
}

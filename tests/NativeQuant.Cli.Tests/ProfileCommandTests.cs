using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

[TestFixture]
[NonParallelizable] // The profile is the process's: calls of other tests would be counted.
internal sealed class ProfileCommandTests
{
    private static readonly string[] Arguments = ["profile", Repository.TinyLlama, "--load-in-4bit", "--tokens", "8", "--threads", "2"];

    [Test]
    public async Task The_parts_of_a_step_add_up_to_it()
    {
        JsonElement profile = await CommandLine.RunJsonAsync(Arguments);

        double step = Number("step_us");
        double kernel = Number("kernel_us");
        Assert.Multiple(() =>
        {
            Assert.That(Number("tokens"), Is.EqualTo(8));
            Assert.That(Number("threads"), Is.EqualTo(2));
            Assert.That(kernel, Is.InRange(double.Epsilon, step));
            Assert.That(kernel + Number("wait_us") + Number("call_overhead_us") + Number("managed_us"), Is.EqualTo(step).Within(0.01).Percent);
            Assert.That(Number("outside_kernels"), Is.EqualTo(1 - (kernel / step)).Within(1e-6));
            Assert.That(Number("utilization"), Is.InRange(double.Epsilon, 1));
        });

        double Number(string name) => profile.GetProperty(name).GetDouble();
    }

    [Test]
    public async Task Every_function_of_the_step_is_listed_with_its_calls_per_token()
    {
        JsonElement profile = await CommandLine.RunJsonAsync(Arguments);

        Dictionary<string, JsonElement> functions = profile.GetProperty("functions").EnumerateArray().ToDictionary(static function => function.GetProperty("name").GetString()!);
        Assert.Multiple(() =>
        {
            Assert.That(functions["nq_embedding_forward"].GetProperty("calls_per_token").GetDouble(), Is.EqualTo(1));
            Assert.That(functions["nq_attention_forward"].GetProperty("calls_per_token").GetDouble(), Is.GreaterThan(1));
            Assert.That(functions.Values.Select(static function => function.GetProperty("total_us").GetDouble()), Is.Ordered.Descending);
            Assert.That(functions.Values.Sum(static function => function.GetProperty("total_us").GetDouble()), Is.LessThan(profile.GetProperty("step_us").GetDouble()));
        });
    }

    [Test]
    public async Task The_text_ends_with_the_balance()
    {
        CommandResult result = await CommandLine.RunAsync(Arguments);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.ToString());
            Assert.That(result.Output, Does.Match(@"Outside kernels: \d+\.\d% of the step\. All threads together were in kernels for \d+\.\d% of their time\.\n$"));
        });
    }

    [Test]
    public async Task No_tokens_are_a_usage_error()
    {
        CommandResult result = await CommandLine.RunAsync(["profile", Repository.TinyLlama, "--tokens", "0"]);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.EqualTo(ExitCode.Usage), result.ToString());
            Assert.That(result.Error, Does.Contain("--tokens must be at least 1"));
        });
    }
}

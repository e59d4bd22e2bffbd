using System.Diagnostics;
using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

/// <summary>The program as a process of its own.</summary>
[TestFixture]
internal sealed class ProgramTests
{
    private const char Escape = '\u001b';

    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "NativeQuant.Cli.exe" : "NativeQuant.Cli");

    private static readonly string OwnText = Path.Combine(Repository.TinyLlama, "own-text.txt");

    [Test]
    public async Task Redirected_output_has_no_escape_codes()
    {
        Dictionary<string, string?> environment = new() { ["TERM"] = "xterm-256color", ["COLORTERM"] = "truecolor" };

        ChildProcessResult result = await ChildProcess.RunAsync(
            Program, ["compare", Repository.TinyLlama, "--text", OwnText, "--max-windows", "1", "--max-new-tokens", "2"], environment: environment);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.ToString());
            Assert.That(result.Output, Does.Contain("| NF4").And.Not.Contain(Escape));
            Assert.That(result.Error, Does.Contain("NF4: loading").And.Not.Contain(Escape).And.Not.Contain('\r'));
        });
    }

    [Test]
    public async Task Json_is_all_there_is_on_standard_output()
    {
        ChildProcessResult result = await ChildProcess.RunAsync(Program, ["generate", Repository.TinyLlama, "--json", "--max-new-tokens", "4"], input: "The old man");

        Assert.That(result.ExitCode, Is.Zero, result.ToString());
        using JsonDocument document = JsonDocument.Parse(result.Output);
        Assert.That(document.RootElement.GetProperty("prompt").GetString(), Is.EqualTo("The old man"));
    }

    [TestCase(ExitCode.Success, "--help")]
    [TestCase(ExitCode.Success, "generate", "--help")]
    [TestCase(ExitCode.Success, "--version")]
    [TestCase(ExitCode.Usage)]
    [TestCase(ExitCode.Usage, "frobnicate")]
    [TestCase(ExitCode.Failure, "inspect", "no-such-folder")]
    public async Task The_exit_code_tells_success_failure_and_wrong_usage_apart(int exitCode, params string[] arguments)
    {
        ChildProcessResult result = await ChildProcess.RunAsync(Program, arguments);

        Assert.That(result.ExitCode, Is.EqualTo(exitCode), result.ToString());
    }

    [Test]
    public async Task A_library_that_cannot_be_loaded_is_an_error_that_says_what_to_do()
    {
        using TemporaryFolder folder = new();
        Dictionary<string, string?> environment = new() { ["NATIVEQUANT_LIBRARY_PATH"] = folder.Combine("libnativequant.so") };

        ChildProcessResult doctor = await ChildProcess.RunAsync(Program, ["doctor", "--json"], environment: environment);
        ChildProcessResult generate = await ChildProcess.RunAsync(Program, ["generate", Repository.TinyLlama, "prompt"], environment: environment);

        using JsonDocument report = JsonDocument.Parse(doctor.Output);
        Assert.Multiple(() =>
        {
            Assert.That(doctor.ExitCode, Is.EqualTo(ExitCode.Failure), doctor.ToString());
            Assert.That(report.RootElement.GetProperty("native_library").GetProperty("error").GetString(), Does.Contain(folder.Path));
            Assert.That(generate.ExitCode, Is.EqualTo(ExitCode.Failure), generate.ToString());
            Assert.That(generate.Error, Does.Contain(folder.Path).And.Contain("nativequant doctor").And.Not.Contain("   at "));
        });
    }

    [Test]
    public async Task Ctrl_C_ends_a_command_at_once_and_cleanly()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("Sends SIGINT by means of Linux.");
        }
        // A test run in the background may have been started with SIGINT ignored, which a child would inherit.
        ProcessStartInfo start = new("env", ["--default-signal=INT", Program, "compare", Repository.TinyLlama, "--text", OwnText])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        string? line = await process.StandardError.ReadLineAsync();
        while (line is not null && !line.Contains("perplexity", StringComparison.Ordinal))
        {
            line = await process.StandardError.ReadLineAsync();
        }

        await ChildProcess.RunAsync("kill", ["-INT", $"{process.Id}"]);
        string rest = await process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.Multiple(() =>
        {
            Assert.That(process.ExitCode, Is.EqualTo(ExitCode.Cancelled), rest);
            Assert.That(rest, Does.EndWith($"cancelled{Environment.NewLine}"));
            Assert.That(output, Is.Empty);
        });
    }
}

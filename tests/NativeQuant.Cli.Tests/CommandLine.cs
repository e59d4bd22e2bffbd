using System.Text.Json;
using NativeQuant.Cli.Output;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

/// <summary>What a command wrote and returned.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Error)
{
    public override string ToString() => $"exit code {ExitCode}\nstdout:\n{Output}\nstderr:\n{Error}";
}

/// <summary>Runs commands in this process, with streams that are no terminal.</summary>
internal static class CommandLine
{
    public static async Task<CommandResult> RunAsync(string[] arguments, string? input = null, CancellationToken cancellationToken = default)
    {
        using StringWriter output = new(), error = new();
        using StringReader? piped = input is null ? null : new StringReader(input);
        int exitCode = await NativeQuantCommandLine.RunAsync(arguments, new Terminal(output, error, piped), cancellationToken);
        return new CommandResult(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Runs a command with --json, which must succeed, and parses what it wrote to standard output.</summary>
    public static async Task<JsonElement> RunJsonAsync(params string[] arguments)
    {
        CommandResult result = await RunAsync([.. arguments, "--json"]);
        Assert.That(result.ExitCode, Is.Zero, result.ToString());
        using JsonDocument document = JsonDocument.Parse(result.Output);
        return document.RootElement.Clone();
    }
}

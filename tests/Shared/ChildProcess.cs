using System.Diagnostics;
using System.Text;

namespace NativeQuant.Testing;

/// <summary>What a child process wrote and how it ended.</summary>
internal sealed record ChildProcessResult(string CommandLine, int ExitCode, string Output, string Error)
{
    /// <summary>For the message of an assertion.</summary>
    public override string ToString() => $"{CommandLine}\nexit code {ExitCode}\nstdout:\n{Output}\nstderr:\n{Error}";
}

/// <summary>Runs programs with all streams redirected.</summary>
internal static class ChildProcess
{
    /// <summary>Runs a program to its end; a program that takes longer than the timeout is ended with all its children.</summary>
    /// <exception cref="TimeoutException">It took longer than <paramref name="timeout"/>.</exception>
    public static async Task<ChildProcessResult> RunAsync(
        string program, IEnumerable<string> arguments, string? workingDirectory = null, TimeSpan? timeout = null, IReadOnlyDictionary<string, string?>? environment = null, string? input = null)
    {
        using Process process = new() { StartInfo = CreateStartInfo(program, arguments, workingDirectory, environment) };
        string commandLine = $"{program} {string.Join(' ', process.StartInfo.ArgumentList)}";
        StringBuilder output = new(), error = new();
        process.OutputDataReceived += (_, line) => Append(output, line.Data);
        process.ErrorDataReceived += (_, line) => Append(error, line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (input is not null)
        {
            await process.StandardInput.WriteAsync(input).ConfigureAwait(false);
        }
        process.StandardInput.Close();
        using CancellationTokenSource limit = new(timeout ?? TimeSpan.FromMinutes(2));
        try
        {
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{commandLine}: no end within the time allowed.\nstdout:\n{output}\nstderr:\n{error}");
        }
        return new ChildProcessResult(commandLine, process.ExitCode, output.ToString(), error.ToString());
    }

    private static ProcessStartInfo CreateStartInfo(string program, IEnumerable<string> arguments, string? workingDirectory, IReadOnlyDictionary<string, string?>? environment)
    {
        ProcessStartInfo start = new(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingDirectory ?? "",
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        // What the SDK that runs the tests sets for itself must not reach the programs under test.
        foreach (string name in start.Environment.Keys.Where(static name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            start.Environment.Remove(name);
        }
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["DOTNET_ROOT"] = DotnetRoot();
        foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[name] = value;
        }
        return start;
    }

    // The folder above shared/Microsoft.NETCore.App/<version>.
    private static string DotnetRoot() => Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    private static void Append(StringBuilder text, string? line)
    {
        if (line is not null)
        {
            lock (text)
            {
                text.AppendLine(line);
            }
        }
    }
}

using System.CommandLine;
using NativeQuant.Cli.Diagnosis;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;

namespace NativeQuant.Cli.Commands;

/// <summary><c>doctor</c>: what NativeQuant finds on this machine, and why not where it does not.</summary>
internal static class DoctorCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<bool> json = OutputOptions.Json();
        Command command = new("doctor", "Shows the native library, the processor, memory, and the GPU or why there is none.") { json };
        return command.WithAction(terminal, (parsed, _) => Task.FromResult(Run(terminal, parsed.GetValue(json))));
    }

    private static int Run(Terminal terminal, bool json)
    {
        MachineReport report = MachineReport.Collect();
        if (json)
        {
            JsonOutput.Write(terminal, report.WriteJson);
        }
        else
        {
            report.WriteText(terminal.Output);
        }
        if (report.LibraryProblem is { } problem)
        {
            terminal.Error.WriteLine($"error: {FailureMessage.Of(problem)}");
            return ExitCode.Failure;
        }
        return ExitCode.Success;
    }
}

using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using NativeQuant.Cli.Commands;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;

namespace NativeQuant.Cli;

/// <summary>The command tree, and what every command has in common: usage errors, failures, cancellation, exit codes.</summary>
internal static class NativeQuantCommandLine
{
    // How long a command may take to come to rest after Ctrl-C before the process ends anyway.
    private static readonly TimeSpan CancellationTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Runs one command line.</summary>
    /// <param name="arguments">The arguments, without the program name.</param>
    /// <param name="terminal">Where results, progress and errors go.</param>
    /// <param name="cancellationToken">Cancels the command as Ctrl-C does.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(string[] arguments, Terminal terminal, CancellationToken cancellationToken = default)
    {
        ParseResult parsed = CreateRoot(terminal).Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            terminal.Error.WriteLine($"error: {parsed.Errors[0].Message}");
            terminal.Error.WriteLine($"Try '{NameOf(parsed.CommandResult)} --help'.");
            return ExitCode.Usage;
        }
        InvocationConfiguration invocation = new()
        {
            Output = terminal.Output,
            Error = terminal.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = CancellationTimeout,
        };
        return await parsed.InvokeAsync(invocation, cancellationToken).ConfigureAwait(false);
    }

    // Not a RootCommand: that takes its name from the assembly, which cannot be "nativequant" beside NativeQuant.dll where file names ignore case.
    private static Command CreateRoot(Terminal terminal)
    {
        Command root = new("nativequant", "Inspects, quantizes, runs and measures Hugging Face language models in 8 or 4 bits.")
        {
            new HelpOption { Recursive = true },
            new VersionOption(),
            DoctorCommand.Create(terminal),
            InspectCommand.Create(terminal),
            GenerateCommand.Create(terminal),
            PerplexityCommand.Create(terminal),
            CompareCommand.Create(terminal),
            ProfileCommand.Create(terminal),
            QuantizeCommand.Create(terminal),
        };
        root.SetAction(static parsed =>
        {
            new HelpAction().Invoke(parsed);
            return ExitCode.Usage;
        });
        return root;
    }

    /// <summary>Sets what a command does, and turns every failure into one line on stderr and an exit code.</summary>
    /// <param name="command">The command.</param>
    /// <param name="terminal">Where the failure is reported.</param>
    /// <param name="action">What the command does; its result is the exit code.</param>
    public static Command WithAction(this Command command, Terminal terminal, Func<ParseResult, CancellationToken, Task<int>> action)
    {
        Option<bool> verbose = OutputOptions.Verbose();
        command.Options.Add(verbose);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            try
            {
                return await action(parsed, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                terminal.Error.WriteLine("cancelled");
                return ExitCode.Cancelled;
            }
            catch (UsageException failure)
            {
                terminal.Error.WriteLine($"error: {failure.Message}");
                terminal.Error.WriteLine($"Try '{NameOf(parsed.CommandResult)} --help'.");
                return ExitCode.Usage;
            }
            catch (Exception failure)
            {
                terminal.Error.WriteLine($"error: {FailureMessage.Of(failure)}");
                if (parsed.GetValue(verbose))
                {
                    terminal.Error.WriteLine(failure);
                }
                return ExitCode.Failure;
            }
        });
        return command;
    }

    private static string NameOf(CommandResult result) => result.Parent is null ? result.Command.Name : $"nativequant {result.Command.Name}";
}

using System.Diagnostics;
using Spectre.Console;

namespace NativeQuant.Cli.Output;

/// <summary>Shows how far a step has come: a bar on a terminal, elsewhere a line when it begins and a line when it is done.</summary>
internal static class ProgressDisplay
{
    /// <summary>Runs a step and shows its progress on stderr.</summary>
    /// <param name="terminal">Where to show it.</param>
    /// <param name="description">What is being done, e.g. "NF4: loading".</param>
    /// <param name="step">The step; it reports fractions from 0 to 1.</param>
    /// <returns>What the step returns.</returns>
    public static Task<T> RunAsync<T>(Terminal terminal, string description, Func<IProgress<double>, Task<T>> step) =>
        terminal.ErrorIsTerminal ? WithBarAsync(terminal, description, step) : WithLinesAsync(terminal, description, step);

    private static Task<T> WithBarAsync<T>(Terminal terminal, string description, Func<IProgress<double>, Task<T>> step) =>
        terminal.ErrorConsole.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(description), maxValue: 1);
                T result = await step(new FractionReporter(fraction => task.Value = fraction)).ConfigureAwait(false);
                task.Value = 1;
                return result;
            });

    private static async Task<T> WithLinesAsync<T>(Terminal terminal, string description, Func<IProgress<double>, Task<T>> step)
    {
        terminal.Error.WriteLine($"{description} ...");
        long start = Stopwatch.GetTimestamp();
        T result = await step(new FractionReporter(static _ => { })).ConfigureAwait(false);
        terminal.Error.WriteLine($"{description}: done in {Units.Seconds(Stopwatch.GetElapsedTime(start))}");
        return result;
    }

    // Unlike Progress<T> it reports at once and on the caller's thread, so that no report arrives after the bar is gone.
    private sealed class FractionReporter(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(Math.Clamp(value, 0, 1));
    }
}

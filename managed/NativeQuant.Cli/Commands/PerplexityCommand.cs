using System.CommandLine;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;
using NativeQuant.Models;

namespace NativeQuant.Cli.Commands;

/// <summary><c>perplexity</c>: how well a model predicts a text.</summary>
internal static class PerplexityCommand
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        TextOption text = new();
        Option<bool> json = OutputOptions.Json();
        Command command = new("perplexity", "Measures the perplexity of a text, window by window.");
        model.AddTo(command);
        model.AddRunTo(command);
        text.AddTo(command);
        command.Options.Add(json);
        return command.WithAction(terminal, async (parsed, cancellationToken) =>
        {
            string content = await text.ReadTextAsync(parsed, cancellationToken).ConfigureAwait(false);
            using LoadedModel loaded = await LoadedModel.LoadAsync(terminal, parsed, model, cancellationToken).ConfigureAwait(false);
            IReadOnlyList<int> ids = loaded.Tokenizer.EncodeToIds(content, addSpecialTokens: false);
            PerplexityResult result = await TextMeasurement.PerplexityAsync(terminal, "perplexity", loaded.Model, ids, text.ReadOptions(parsed), cancellationToken).ConfigureAwait(false);
            Write(terminal, result, parsed.GetValue(json));
            return ExitCode.Success;
        });
    }

    private static void Write(Terminal terminal, PerplexityResult result, bool json)
    {
        if (!json)
        {
            terminal.Output.WriteLine(Units.Format($"perplexity {result.Perplexity:0.0000} over {result.ScoredTokens:N0} tokens in windows of {result.Window}"));
            return;
        }
        JsonOutput.Write(terminal, writer =>
        {
            writer.WriteNumberOrNull("perplexity", result.Perplexity);
            writer.WriteNumber("scored_tokens", result.ScoredTokens);
            writer.WriteNumber("windows", result.ScoredTokens / result.Window);
            writer.WriteNumber("window", result.Window);
        });
    }
}

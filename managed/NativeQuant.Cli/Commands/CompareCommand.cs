using System.CommandLine;
using NativeQuant.Cli.Comparison;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;

namespace NativeQuant.Cli.Commands;

/// <summary><c>compare</c>: one model in every format, with the figures to judge them by.</summary>
internal static class CompareCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> folder = ModelFolder.Argument();
        TextOption text = new();
        DeviceSelection device = new();
        Option<string> prompt = new("--prompt")
        {
            Description = "Prompt of the greedy continuation.",
            HelpName = "text",
            DefaultValueFactory = static _ => "It was a dark and stormy night, and the old man",
        };
        Option<int> tokens = new("--max-new-tokens") { Description = "Tokens of the continuation.", HelpName = "count", DefaultValueFactory = static _ => 40 };
        Option<bool> json = OutputOptions.Json();
        Command command = new("compare", "Measures a model in fp32, bf16, LLM.int8(), FP4, NF4 and NF4 with double quantization: size, memory, speed, perplexity.") { folder };
        text.AddTo(command);
        command.Options.Add(prompt);
        command.Options.Add(tokens);
        device.AddTo(command);
        command.Options.Add(json);
        return command.WithAction(terminal, async (parsed, cancellationToken) =>
        {
            string model = parsed.GetRequiredValue(folder);
            ModelFolder.RequireExisting(model);
            ComparisonSettings settings = new(
                model,
                await text.ReadTextAsync(parsed, cancellationToken).ConfigureAwait(false),
                parsed.GetRequiredValue(prompt),
                parsed.GetValue(tokens),
                text.ReadOptions(parsed));
            using Device opened = device.Open(parsed);
            IReadOnlyList<ComparisonResult> results = await FormatComparison.MeasureAsync(terminal, opened, settings, cancellationToken).ConfigureAwait(false);
            if (parsed.GetValue(json))
            {
                JsonOutput.Write(terminal, writer => ComparisonTable.WriteJson(writer, settings, opened, results));
            }
            else
            {
                ComparisonTable.WriteText(terminal, settings, results);
            }
            return ExitCode.Success;
        });
    }
}

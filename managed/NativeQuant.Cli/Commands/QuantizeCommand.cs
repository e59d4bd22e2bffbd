using System.CommandLine;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;
using NativeQuant.Models;

namespace NativeQuant.Cli.Commands;

/// <summary><c>quantize</c>: writes a quantized model as a folder that bitsandbytes, and NativeQuant, load as it is.</summary>
internal static class QuantizeCommand
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        Argument<string> output = new Argument<string>("output") { Description = "Folder to write; must not exist, or be empty." }.RefusingOptions();
        Option<bool> json = OutputOptions.Json();
        Command command = new("quantize", "Writes a model quantized, as a folder that bitsandbytes reads.");
        model.AddTo(command);
        command.Arguments.Add(output);
        command.Options.Add(json);
        return command.WithAction(terminal, async (parsed, cancellationToken) =>
        {
            if (model.ReadQuantization(parsed) is null)
            {
                throw new UsageException("Say how to quantize: --load-in-8bit or --load-in-4bit.");
            }
            string target = parsed.GetRequiredValue(output);
            using LoadedModel loaded = await LoadedModel.LoadAsync(terminal, parsed, model, cancellationToken).ConfigureAwait(false);
            await SaveAsync(terminal, loaded.Model, target, cancellationToken).ConfigureAwait(false);
            Write(terminal, loaded.Model, target, parsed.GetValue(json));
            return ExitCode.Success;
        });
    }

    private static Task<bool> SaveAsync(Terminal terminal, CausalLM model, string target, CancellationToken cancellationToken) =>
        ProgressDisplay.RunAsync(terminal, "saving", progress => Task.Run(
            () =>
            {
                model.Save(target, new ProgressConversion<LoadProgress>(progress, static save => save.TotalBytes == 0 ? 1 : (double)save.CompletedBytes / save.TotalBytes), cancellationToken);
                return true;
            },
            cancellationToken));

    private static void Write(Terminal terminal, CausalLM model, string target, bool json)
    {
        MemoryFootprint memory = model.Memory;
        if (!json)
        {
            terminal.Output.WriteLine(Units.Format($"{target}: {Units.Bytes(memory.WeightBytes)}, {memory.BitsPerParameter:0.000} bits per parameter ({memory.BitsPerQuantizedParameter ?? 0:0.000} in the quantized layers); was {Units.Bytes(model.LoadReport.CheckpointBytes)}"));
            return;
        }
        JsonOutput.Write(terminal, writer =>
        {
            writer.WriteString("output", target);
            writer.WriteNumber("parameters", memory.Parameters);
            writer.WriteNumber("weight_bytes", memory.WeightBytes);
            writer.WriteNumber("source_bytes", model.LoadReport.CheckpointBytes);
            writer.WriteNumber("bits_per_parameter", memory.BitsPerParameter);
            writer.WriteNumberOrNull("quantized_bits_per_parameter", memory.BitsPerQuantizedParameter);
        });
    }
}

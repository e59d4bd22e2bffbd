using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using NativeQuant.Cli.Inspection;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;
using NativeQuant.Models.Checkpoints;
using Spectre.Console;

namespace NativeQuant.Cli.Commands;

/// <summary><c>inspect</c>: what a model folder holds, and what it would cost in every format. Loads no weight.</summary>
internal static class InspectCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> folder = ModelFolder.Argument();
        Option<bool> json = OutputOptions.Json();
        Command command = new("inspect", "Lists tensors, types and quantization state, and the memory the model needs in every format.") { folder, json };
        return command.WithAction(terminal, (parsed, _) => Task.FromResult(Run(terminal, parsed.GetRequiredValue(folder), parsed.GetValue(json))));
    }

    private static int Run(Terminal terminal, string folder, bool json)
    {
        ModelFolder.RequireExisting(folder);
        ModelSummary summary = ModelSummary.Read(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        IReadOnlyList<StoredWeight> weights = StoredWeights.Read(checkpoint);
        IReadOnlyList<FormatCost> costs = FormatCost.OfEveryFormat(weights);
        if (json)
        {
            JsonOutput.Write(terminal, writer => WriteJson(writer, folder, summary, weights, costs));
        }
        else
        {
            WriteText(terminal, summary, weights, costs);
        }
        return ExitCode.Success;
    }

    private static void WriteText(Terminal terminal, ModelSummary summary, IReadOnlyList<StoredWeight> weights, IReadOnlyList<FormatCost> costs)
    {
        Table tensors = terminal.CreateTable().AddColumn("weight").AddColumn("stored as").AddColumn("shape")
            .AddColumn("parameters", RightAligned).AddColumn("bytes", RightAligned).AddColumn("bits each", RightAligned);
        foreach (StoredWeight weight in weights)
        {
            tensors.AddRow(
                Markup.Escape(weight.Name),
                weight.Format,
                string.Join(" x ", weight.Shape),
                Units.Count(weight.Parameters),
                Units.Count(weight.Bytes),
                weight.Parameters == 0 ? "-" : (8.0 * weight.Bytes / weight.Parameters).ToString("0.000", CultureInfo.InvariantCulture));
        }
        terminal.Write(tensors);
        terminal.Output.WriteLine();
        terminal.Output.WriteLine($"architecture    {(summary.Architecture.Length == 0 ? "not stated" : summary.Architecture)}{(summary.IsSupported ? "" : " (cannot be run)")}");
        terminal.Output.WriteLine($"parameters      {Units.Count(weights.Sum(static weight => weight.Parameters))}");
        terminal.Output.WriteLine($"stored          {Units.Bytes(weights.Sum(static weight => weight.Bytes))}");
        terminal.Output.WriteLine($"quantization    {Describe(summary.Quantization)}");
        terminal.Output.WriteLine();

        Table formats = terminal.CreateTable().AddColumn("as").AddColumn("linear layers", RightAligned).AddColumn("bits each", RightAligned)
            .AddColumn("whole model", RightAligned).AddColumn("bits each", RightAligned);
        foreach (FormatCost cost in costs)
        {
            formats.AddRow(cost.Format, Units.Bytes(cost.LinearBytes), Bits(cost.BitsPerLinearParameter), Units.Bytes(cost.TotalBytes), Bits(cost.BitsPerParameter));
        }
        terminal.Write(formats);
    }

    private static string Describe(QuantizationConfig? quantization) => quantization switch
    {
        { LoadIn8Bit: true } => Units.Format($"LLM.int8(), threshold {quantization.LlmInt8Threshold}"),
        { LoadIn4Bit: true } => $"{quantization.Bnb4BitQuantType.ToString().ToLowerInvariant()}{(quantization.Bnb4BitUseDoubleQuant ? " + double quantization" : "")}, compute type {DataTypeNames.Of(quantization.Bnb4BitComputeType)}",
        _ => "none",
    };

    private static string Bits(double? bits) => bits is { } value ? value.ToString("0.000", CultureInfo.InvariantCulture) : "-";

    private static void RightAligned(TableColumn column) => column.Alignment(Justify.Right);

    private static void WriteJson(Utf8JsonWriter writer, string folder, ModelSummary summary, IReadOnlyList<StoredWeight> weights, IReadOnlyList<FormatCost> costs)
    {
        writer.WriteString("model", folder);
        writer.WriteString("architecture", summary.Architecture);
        writer.WriteBoolean("supported", summary.IsSupported);
        writer.WriteNumber("parameters", weights.Sum(static weight => weight.Parameters));
        writer.WriteNumber("bytes", weights.Sum(static weight => weight.Bytes));
        writer.WritePropertyName("quantization_config");
        if (summary.Quantization is { } quantization)
        {
            quantization.WriteJson(writer);
        }
        else
        {
            writer.WriteNullValue();
        }
        writer.WriteStartArray("weights");
        foreach (StoredWeight weight in weights)
        {
            writer.WriteStartObject();
            writer.WriteString("name", weight.Name);
            writer.WriteString("format", weight.Format);
            writer.WriteBoolean("quantized", weight.IsQuantized);
            writer.WriteStartArray("shape");
            foreach (long dimension in weight.Shape)
            {
                writer.WriteNumberValue(dimension);
            }
            writer.WriteEndArray();
            writer.WriteNumber("parameters", weight.Parameters);
            writer.WriteNumber("bytes", weight.Bytes);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteStartArray("memory");
        foreach (FormatCost cost in costs)
        {
            writer.WriteStartObject();
            writer.WriteString("format", cost.Format);
            writer.WriteNumber("linear_bytes", cost.LinearBytes);
            writer.WriteNumberOrNull("linear_bits_per_parameter", cost.BitsPerLinearParameter);
            writer.WriteNumber("bytes", cost.TotalBytes);
            writer.WriteNumberOrNull("bits_per_parameter", cost.BitsPerParameter);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }
}

using NativeQuant.Models;

namespace NativeQuant.Cli.Comparison;

/// <summary>One line of the comparison: a name and how the model is loaded for it.</summary>
/// <param name="Name">As the table shows it.</param>
/// <param name="Quantization">How linear layers are quantized; null for none.</param>
/// <param name="DataType">Type of the unquantized weights; null for as stored.</param>
internal sealed record ComparisonFormat(string Name, QuantizationConfig? Quantization, DataType? DataType)
{
    /// <summary>All formats, the reference first.</summary>
    public static IReadOnlyList<ComparisonFormat> All { get; } =
    [
        new("fp32", null, NativeQuant.DataType.Float32),
        new("bf16", null, NativeQuant.DataType.BFloat16),
        new("LLM.int8()", QuantizationConfig.Int8, null),
        new("FP4", QuantizationConfig.FP4, null),
        new("NF4", QuantizationConfig.NF4, null),
        new("NF4 + double quantization", QuantizationConfig.NF4DoubleQuant, null),
    ];

    public LoadOptions ToLoadOptions(Device device) => new() { Device = device, Quantization = Quantization, DataType = DataType };
}

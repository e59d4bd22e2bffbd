using NativeQuant.Models;

namespace NativeQuant.Benchmarks.EndToEnd;

/// <summary>A way to hold the model: every linear layer and the output head in one format, as llama.cpp's files have them.</summary>
/// <param name="Name">Its name in results.</param>
/// <param name="Options">How to load it.</param>
/// <param name="KvCacheType">Type of the keys and values.</param>
internal sealed record ModelFormat(string Name, LoadOptions Options, DataType KvCacheType = DataType.Float32)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<ModelFormat> All { get; } =
    [
        new("nf4_nested", Quantized(QuantizationConfig.NF4DoubleQuant)),
        new("nf4_nested_int8", Quantized(QuantizationConfig.NF4DoubleQuant) with { Int8Activations = true }),
        new("nf4_nested_bf16_head", new LoadOptions { Quantization = QuantizationConfig.NF4DoubleQuant, LoadTokenizer = false }),
        new("nf4_nested_int8_head", new LoadOptions { Quantization = QuantizationConfig.NF4DoubleQuant, Int8Head = true, LoadTokenizer = false }),
        new("nf4_nested_bf16_kv", Quantized(QuantizationConfig.NF4DoubleQuant), DataType.BFloat16),
        new("int8", Quantized(QuantizationConfig.Int8)),
    ];

    private static LoadOptions Quantized(QuantizationConfig configuration) =>
        new() { Quantization = configuration with { LlmInt8SkipModules = [] }, LoadTokenizer = false };
}

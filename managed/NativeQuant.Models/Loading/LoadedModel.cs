using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Models;

/// <summary>Everything that loading gives. Owns the weights, and the device if it was opened for them.</summary>
internal sealed class LoadedModel : IDisposable
{
    public required string Folder { get; init; }

    public required ModelConfig Config { get; init; }

    public required GenerationConfig GenerationConfig { get; init; }

    public required QuantizationConfig? Quantization { get; init; }

    public required DataType? DataType { get; init; }

    public required DataType KvCacheType { get; init; }

    public required Device Device { get; init; }

    public required bool OwnsDevice { get; init; }

    public required Decoder Decoder { get; init; }

    public required IReadOnlyList<ModelWeight> Weights { get; init; }

    public required Tokenizer? Tokenizer { get; init; }

    public required LoadReport Report { get; init; }

    public void Dispose()
    {
        foreach (ModelWeight weight in Weights)
        {
            weight.Dispose();
        }
        if (OwnsDevice)
        {
            Device.Dispose();
        }
    }
}

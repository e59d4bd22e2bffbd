namespace NativeQuant.Models;

/// <summary>What loading a model took and gave.</summary>
public sealed record LoadReport
{
    /// <summary>Wall time from the call to the finished model, tokenizer included.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Bytes of all tensors of the checkpoint.</summary>
    public required long CheckpointBytes { get; init; }

    /// <summary>Every weight, in the order it was loaded.</summary>
    public required IReadOnlyList<LoadedWeight> Weights { get; init; }

    /// <summary>Device memory the finished model occupies.</summary>
    public required long DeviceBytes { get; init; }

    /// <summary>Most device memory held at any moment while loading, over what the device held before.</summary>
    public required long PeakDeviceBytes { get; init; }

    /// <summary>
    /// Most memory of this process while loading, over what it held before, without the pages of mapped files: sampled after every tensor.
    /// Null where the system does not tell (only Linux does).
    /// </summary>
    public required long? PeakProcessBytes { get; init; }

    /// <summary>Peak extra memory while loading: how far the device's peak was above the finished model.</summary>
    public long PeakExtraBytes => Math.Max(0, PeakDeviceBytes - DeviceBytes);
}

using System.Text.Json;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Cli.Inspection;

/// <summary>Reads which weights a checkpoint holds, putting the tensors of bitsandbytes' quantization state to the weight they belong to.</summary>
internal static class StoredWeights
{
    private const string QuantStateInfix = ".quant_state.bitsandbytes__";
    private static readonly string[] StateSuffixes = [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"];

    /// <summary>The weights, in the order of their names.</summary>
    public static IReadOnlyList<StoredWeight> Read(Checkpoint checkpoint) =>
    [
        .. checkpoint.Tensors
            .Where(tensor => !IsState(checkpoint, tensor.Name))
            .OrderBy(static tensor => tensor.Name, NaturalOrder.Instance)
            .Select(tensor => Describe(checkpoint, tensor)),
    ];

    private static bool IsState(Checkpoint checkpoint, string name)
    {
        int quantState = name.IndexOf(QuantStateInfix, StringComparison.Ordinal);
        if (quantState >= 0)
        {
            return checkpoint.TryGet(name[..quantState], out _);
        }
        if (name.EndsWith(".SCB", StringComparison.Ordinal) || name.EndsWith(".weight_format", StringComparison.Ordinal))
        {
            return checkpoint.TryGet($"{name[..name.LastIndexOf('.')]}.weight", out _);
        }
        return Array.Exists(StateSuffixes, suffix => name.EndsWith(suffix, StringComparison.Ordinal) && checkpoint.TryGet(name[..^suffix.Length], out _));
    }

    private static StoredWeight Describe(Checkpoint checkpoint, CheckpointTensor tensor)
    {
        foreach (string quantType in (string[])["nf4", "fp4"])
        {
            if (checkpoint.TryGet($"{tensor.Name}{QuantStateInfix}{quantType}", out CheckpointTensor? state))
            {
                return Describe4Bit(checkpoint, tensor, quantType, state);
            }
        }
        string module = tensor.Name.EndsWith(".weight", StringComparison.Ordinal) ? tensor.Name[..^".weight".Length] : tensor.Name;
        if (checkpoint.TryGet($"{module}.SCB", out CheckpointTensor? rowAbsmax))
        {
            return new StoredWeight(tensor.Name, "int8", tensor.Shape, tensor.ByteLength + rowAbsmax.ByteLength, IsQuantized: true);
        }
        return new StoredWeight(tensor.Name, tensor.ElementType.ToLowerInvariant(), tensor.Shape, tensor.ByteLength, IsQuantized: false);
    }

    private static StoredWeight Describe4Bit(Checkpoint checkpoint, CheckpointTensor packed, string quantType, CheckpointTensor state)
    {
        long bytes = packed.ByteLength;
        if (checkpoint.TryGet($"{packed.Name}.absmax", out CheckpointTensor? absmax))
        {
            bytes += absmax.ByteLength;
        }
        bool nested = checkpoint.TryGet($"{packed.Name}.nested_absmax", out CheckpointTensor? nestedAbsmax);
        if (nested)
        {
            bytes += nestedAbsmax!.ByteLength;
        }
        return new StoredWeight(packed.Name, nested ? $"{quantType} + double quantization" : quantType, OriginalShape(packed, state), bytes, IsQuantized: true);
    }

    private static IReadOnlyList<long> OriginalShape(CheckpointTensor packed, CheckpointTensor state)
    {
        using JsonDocument document = JsonDocument.Parse(state.Bytes.ToArray());
        return document.RootElement.TryGetProperty("shape", out JsonElement shape) && shape.ValueKind == JsonValueKind.Array
            ? [.. shape.EnumerateArray().Select(static dimension => dimension.GetInt64())]
            : [2 * packed.ByteLength];
    }
}

using System.Runtime.InteropServices;
using System.Text.Json;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>
/// Reads weights that bitsandbytes quantized. A linear module is quantized if and only if its quantization state is in the checkpoint:
/// 4-bit by <c>weight.quant_state.bitsandbytes__nf4</c> or <c>__fp4</c>, 8-bit by <c>SCB</c>. The codes are taken as they are.
/// </summary>
internal sealed class QuantizedWeightReader(Checkpoint checkpoint, Action<CheckpointTensor> consumed)
{
    /// <summary>The two possible names of the JSON that describes a 4-bit weight, after the weight's name.</summary>
    public const string StateSuffix = ".quant_state.bitsandbytes__";

    /// <summary>Row absmax of an 8-bit weight, after the module's name.</summary>
    public const string RowAbsmaxSuffix = ".SCB";

    /// <summary>Layout of an 8-bit weight, after the module's name.</summary>
    public const string WeightFormatSuffix = ".weight_format";

    /// <summary>True if a tensor of this name is part of a quantization state.</summary>
    public static bool IsState(string tensor) =>
        tensor.EndsWith(RowAbsmaxSuffix, StringComparison.Ordinal) || tensor.Contains(StateSuffix, StringComparison.Ordinal);

    /// <summary>The weight of <paramref name="module"/>, or null if it is not quantized.</summary>
    /// <exception cref="CheckpointException">The state is incomplete, contradicts the weight, or has another shape than expected.</exception>
    public Matrix? Read(Device device, string module, long rows, long columns)
    {
        string weight = module + ".weight";
        foreach (QuantType quantType in (ReadOnlySpan<QuantType>)[QuantType.NF4, QuantType.FP4])
        {
            if (checkpoint.TryGet(weight + StateSuffix + NameOf(quantType), out CheckpointTensor? state))
            {
                return Read4Bit(device, weight, quantType, state, rows, columns);
            }
        }
        return checkpoint.TryGet(module + RowAbsmaxSuffix, out CheckpointTensor? rowAbsmax) ? Read8Bit(device, module, rowAbsmax, rows, columns) : null;
    }

    /// <summary>bitsandbytes' name of a 4-bit type.</summary>
    public static string NameOf(QuantType quantType) => quantType == QuantType.NF4 ? "nf4" : "fp4";

    private Matrix4Bit Read4Bit(Device device, string weight, QuantType quantType, CheckpointTensor stateTensor, long rows, long columns)
    {
        QuantState4Bit state = QuantState4Bit.Parse(checkpoint.Folder, stateTensor);
        if (state.QuantType != NameOf(quantType))
        {
            throw ModelErrors.InvalidQuantState(checkpoint.Folder, stateTensor.Name, $"quant_type {NameOf(quantType)}, as the name says", state.QuantType);
        }
        if (!state.Shape.AsSpan().SequenceEqual([rows, columns]))
        {
            throw ModelErrors.WrongShape(checkpoint.Folder, weight, [rows, columns], state.Shape);
        }
        long count = checked(rows * columns);
        long blocks = DivideUp(count, state.Blocksize);
        CheckpointTensor packed = Require(weight, null, DivideUp(count, 2), "packed 4-bit codes");
        CheckpointTensor map = Require(weight + ".quant_map", "F32", 16 * sizeof(float), "16 values");
        CheckMap(map, quantType);
        bool nested = checkpoint.TryGet(weight + ".nested_absmax", out _);
        CheckpointTensor absmax = Require(weight + ".absmax", nested ? "U8" : "F32", blocks * (nested ? 1 : sizeof(float)), "one absmax per block");
        List<CheckpointTensor> parts = [stateTensor, packed, map, absmax];
        CheckpointTensor? nestedAbsmax = null;
        CheckpointTensor? nestedMap = null;
        if (nested)
        {
            int nestedBlocksize = state.NestedBlocksize
                ?? throw ModelErrors.InvalidQuantState(checkpoint.Folder, stateTensor.Name, "nested_blocksize and nested_offset, as there is a nested_absmax", "neither or only one");
            nestedAbsmax = Require(weight + ".nested_absmax", "F32", DivideUp(blocks, nestedBlocksize) * sizeof(float), "one nested absmax per block of absmax");
            nestedMap = Require(weight + ".nested_quant_map", "F32", 256 * sizeof(float), "256 values");
            parts.AddRange([nestedAbsmax, nestedMap]);
        }
        Matrix4Bit matrix = Matrix4Bit.Import(device, new Matrix4BitStorage
        {
            Rows = rows,
            Columns = columns,
            QuantType = quantType,
            DataType = state.DataType,
            Blocksize = state.Blocksize,
            NestedBlocksize = nested ? state.NestedBlocksize!.Value : 0,
            Packed = packed.Bytes.ToArray(),
            Absmax = nested ? null : Floats(absmax),
            AbsmaxCodes = nested ? absmax.Bytes.ToArray() : null,
            NestedAbsmax = nestedAbsmax is null ? null : Floats(nestedAbsmax),
            NestedMap = nestedMap is null ? null : Floats(nestedMap),
            NestedOffset = nested ? state.NestedOffset : 0,
        });
        parts.ForEach(consumed);
        return matrix;
    }

    private Matrix8Bit Read8Bit(Device device, string module, CheckpointTensor rowAbsmax, long rows, long columns)
    {
        CheckpointTensor codes = Require(module + ".weight", "I8", checked(rows * columns), "one code per weight");
        if (!codes.Shape.SequenceEqual([rows, columns]))
        {
            throw ModelErrors.WrongShape(checkpoint.Folder, codes.Name, [rows, columns], codes.Shape);
        }
        Require(rowAbsmax.Name, "F32", rows * sizeof(float), "one absmax per row");
        if (checkpoint.TryGet(module + WeightFormatSuffix, out CheckpointTensor? format))
        {
            // 0 is row-major; the others are layouts of old GPU kernels, which no writer leaves in a file.
            if (format.ByteLength < 1 || format.Bytes[0] != 0)
            {
                throw ModelErrors.InvalidQuantState(checkpoint.Folder, format.Name, "0 (row-major)", format.ByteLength < 1 ? "nothing" : $"{format.Bytes[0]}");
            }
            consumed(format);
        }
        // The type before quantization is not in the file; bitsandbytes quantizes from f16.
        Matrix8Bit matrix = Matrix8Bit.Import(device, rows, columns, DataType.Float16, MemoryMarshal.Cast<byte, sbyte>(codes.Bytes), Floats(rowAbsmax));
        consumed(codes);
        consumed(rowAbsmax);
        return matrix;
    }

    private CheckpointTensor Require(string name, string? elementType, long byteLength, string content)
    {
        if (!checkpoint.TryGet(name, out CheckpointTensor? tensor))
        {
            throw ModelErrors.InvalidQuantState(checkpoint.Folder, name, $"a tensor with {content}", "no such tensor");
        }
        if (elementType is not null && tensor.ElementType != elementType)
        {
            throw ModelErrors.WrongElementType(checkpoint.Folder, name, elementType, tensor.ElementType);
        }
        // Codes stored in a wider type (bnb_4bit_quant_storage) are the same bytes under another label.
        return tensor.ByteLength == byteLength
            ? tensor
            : throw ModelErrors.InvalidQuantState(checkpoint.Folder, name, $"{byteLength} bytes ({content})", $"{tensor.ByteLength} bytes");
    }

    private void CheckMap(CheckpointTensor map, QuantType quantType)
    {
        Span<float> expected = stackalloc float[16];
        Codebooks.Codebook4Bit(quantType, expected);
        float[] got = Floats(map);
        for (int i = 0; i < got.Length; i++)
        {
            if (!(Math.Abs(got[i] - expected[i]) <= 1e-6f))
            {
                throw ModelErrors.InvalidQuantState(checkpoint.Folder, map.Name, FormattableString.Invariant($"{expected[i]} for code {i} of {NameOf(quantType)}"), FormattableString.Invariant($"{got[i]}"));
            }
        }
    }

    private static float[] Floats(CheckpointTensor tensor)
    {
        float[] values = new float[tensor.ByteLength / sizeof(float)];
        tensor.Bytes.CopyTo(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    private static long DivideUp(long value, long divisor) => (value + divisor - 1) / divisor;
}

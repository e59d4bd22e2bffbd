using System.Runtime.InteropServices;

namespace NativeQuant.Models.Checkpoints;

/// <summary>Finds out how the weight of a linear module is stored in a checkpoint, and reads weights that bitsandbytes quantized. Thread-safe.</summary>
public static class QuantizedWeightReader
{
    private const int CodebookSize = 16;
    private const int NestedMapSize = 256;
    private const float CodebookTolerance = 1e-6f;

    /// <summary>How the weight of a module is stored. The names of its tensors alone decide, not config.json.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="module">The module, e.g. <c>model.layers.0.self_attn.q_proj</c>.</param>
    /// <returns>The format.</returns>
    /// <exception cref="CheckpointException">The module has no weight, or one that lacks the tensors to decode it.</exception>
    public static WeightFormat DetectFormat(Checkpoint checkpoint, string module)
    {
        CheckpointTensor weight = Weight(checkpoint, module);
        if (FindQuantState(checkpoint, module) is not null)
        {
            return WeightFormat.FourBit;
        }
        if (checkpoint.TryGet(BitsAndBytesNames.RowAbsmax(module), out _))
        {
            return WeightFormat.EightBit;
        }
        if (checkpoint.TryGet(BitsAndBytesNames.Absmax(module), out _))
        {
            throw CheckpointErrors.TensorMissing(checkpoint.Folder, BitsAndBytesNames.QuantState(module, "nf4"));
        }
        return weight.ElementType == "I8" ? throw CheckpointErrors.TensorMissing(checkpoint.Folder, BitsAndBytesNames.RowAbsmax(module)) : WeightFormat.Dense;
    }

    /// <summary>Reads the description of a 4-bit weight without its data.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="module">The module.</param>
    /// <returns>The description.</returns>
    /// <exception cref="CheckpointException">The module has no 4-bit weight, or its description is invalid.</exception>
    public static QuantState ReadQuantState(Checkpoint checkpoint, string module)
    {
        Weight(checkpoint, module);
        CheckpointTensor state = FindQuantState(checkpoint, module)
            ?? throw CheckpointErrors.TensorMissing(checkpoint.Folder, BitsAndBytesNames.QuantState(module, "nf4"));
        return QuantState.Read(state, checkpoint.TryGet(BitsAndBytesNames.NestedAbsmax(module), out _));
    }

    /// <summary>Reads a 4-bit weight. Its parts may lie in several shards.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="module">The module.</param>
    /// <returns>A copy in managed memory; the bytes of the packed codes do not depend on the type they are declared as.</returns>
    /// <exception cref="CheckpointException">
    /// The module has no 4-bit weight, a part is missing, has another type or size than the description says, or holds values that are not finite,
    /// or the codebook is not that of its type.
    /// </exception>
    public static Matrix4BitStorage Read4Bit(Checkpoint checkpoint, string module)
    {
        QuantState state = ReadQuantState(checkpoint, module);
        CheckpointTensor weight = Weight(checkpoint, module);
        long blocks = DivideUp(state.Rows * state.Columns, state.Blocksize);
        CheckCodebook(checkpoint[BitsAndBytesNames.QuantMap(module)], state.QuantType);
        CheckpointTensor absmax = checkpoint[BitsAndBytesNames.Absmax(module)];
        bool isNested = state.NestedBlocksize != 0;
        return new Matrix4BitStorage
        {
            Rows = state.Rows,
            Columns = state.Columns,
            QuantType = state.QuantType,
            DataType = state.DataType,
            Blocksize = state.Blocksize,
            Packed = ReadPacked(weight, state),
            Absmax = isNested ? null : ReadFloats(absmax, blocks),
            NestedBlocksize = state.NestedBlocksize,
            AbsmaxCodes = isNested ? ReadCodes(absmax, blocks) : null,
            NestedAbsmax = isNested ? ReadFloats(checkpoint[BitsAndBytesNames.NestedAbsmax(module)], DivideUp(blocks, state.NestedBlocksize)) : null,
            NestedMap = isNested ? ReadFloats(checkpoint[BitsAndBytesNames.NestedQuantMap(module)], NestedMapSize) : null,
            NestedOffset = state.NestedOffset,
        };
    }

    /// <summary>Reads an LLM.int8() weight.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="module">The module.</param>
    /// <returns>The codes, not copied, and the absmax of the rows.</returns>
    /// <exception cref="CheckpointException">
    /// The module has no 8-bit weight, a part has another type or size than expected, or the codes are not stored row by row (layouts of old GPU kernels).
    /// </exception>
    public static Matrix8BitTensors Read8Bit(Checkpoint checkpoint, string module)
    {
        CheckpointTensor weight = Weight(checkpoint, module);
        CheckpointTensor rowAbsmax = checkpoint[BitsAndBytesNames.RowAbsmax(module)];
        if (weight.ElementType != "I8" || weight.Shape.Count != 2 || weight.ElementCount == 0)
        {
            throw CheckpointErrors.WrongTensor(weight, "I8 [out, in]");
        }
        // The format was once stored as a number (0: row by row) and is missing in other versions.
        if (checkpoint.TryGet(BitsAndBytesNames.RowFormat(module), out CheckpointTensor? format)
            && !(format.ElementType == "U8" && (format.Bytes is [0] || format.Bytes.SequenceEqual("row"u8))))
        {
            throw CheckpointErrors.WrongTensor(format, "U8 with the value 0: codes row by row");
        }
        return new Matrix8BitTensors(weight, ReadFloats(rowAbsmax, weight.Shape[0]));
    }

    private static CheckpointTensor Weight(Checkpoint checkpoint, string module)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(module);
        return checkpoint[BitsAndBytesNames.Weight(module)];
    }

    private static CheckpointTensor? FindQuantState(Checkpoint checkpoint, string module)
    {
        CheckpointTensor? found = null;
        foreach ((string name, _) in BitsAndBytesNames.QuantTypes)
        {
            if (checkpoint.TryGet(BitsAndBytesNames.QuantState(module, name), out CheckpointTensor? state))
            {
                found = found is null ? state : throw CheckpointErrors.TwoQuantStates(checkpoint.Folder, module);
            }
        }
        return found;
    }

    private static byte[] ReadPacked(CheckpointTensor weight, QuantState state)
    {
        long packedBytes = DivideUp(state.Rows * state.Columns, 2);
        // Declared as a wider type, the codes may end within its last element.
        long elementBytes = weight.ElementCount == 0 ? 1 : weight.ByteLength / weight.ElementCount;
        if (weight.ByteLength < packedBytes || weight.ByteLength - packedBytes >= elementBytes)
        {
            throw CheckpointErrors.WrongTensor(weight, $"{packedBytes} bytes, two codes in each, for [{state.Rows}, {state.Columns}]");
        }
        byte[] packed = weight.Bytes[..checked((int)packedBytes)].ToArray();
        GC.KeepAlive(weight);
        return packed;
    }

    private static byte[] ReadCodes(CheckpointTensor tensor, long count)
    {
        if (tensor.ElementType != "U8" || tensor.ElementCount != count)
        {
            throw CheckpointErrors.WrongTensor(tensor, $"U8 [{count}]");
        }
        byte[] codes = tensor.Bytes.ToArray();
        GC.KeepAlive(tensor);
        return codes;
    }

    private static float[] ReadFloats(CheckpointTensor tensor, long count)
    {
        if (tensor.ElementType != "F32" || tensor.ElementCount != count)
        {
            throw CheckpointErrors.WrongTensor(tensor, $"F32 [{count}]");
        }
        ReadOnlySpan<byte> bytes = tensor.Bytes;
        float[] values = new float[count];
        bytes.CopyTo(MemoryMarshal.AsBytes(values.AsSpan()));
        GC.KeepAlive(tensor);
        int bad = Array.FindIndex(values, value => !float.IsFinite(value));
        return bad < 0 ? values : throw CheckpointErrors.NotFinite(tensor, bad, values[bad]);
    }

    private static void CheckCodebook(CheckpointTensor tensor, QuantType quantType)
    {
        float[] stored = ReadFloats(tensor, CodebookSize);
        Span<float> expected = stackalloc float[CodebookSize];
        Codebooks.Codebook4Bit(quantType, expected);
        for (int code = 0; code < CodebookSize; code++)
        {
            if (float.Abs(stored[code] - expected[code]) > CodebookTolerance)
            {
                throw CheckpointErrors.OtherCodebook(tensor, BitsAndBytesNames.Of(quantType), code, expected[code], stored[code]);
            }
        }
    }

    private static long DivideUp(long value, long divisor) => value / divisor + (value % divisor == 0 ? 0 : 1);
}

using System.Text;

namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// Turns quantized weights into the tensors that bitsandbytes' <c>state_dict</c> has for them: the same names, types, shapes and bytes. Thread-safe.
/// </summary>
public static class QuantizedWeightWriter
{
    private const int CodebookSize = 16;

    /// <summary>The tensors of a 4-bit weight: <c>weight</c>, <c>weight.absmax</c>, <c>weight.quant_map</c>, the two of nested statistics, and <c>weight.quant_state…</c>.</summary>
    /// <param name="module">The module, e.g. <c>model.layers.0.self_attn.q_proj</c>.</param>
    /// <param name="storage">The weight. Its arrays are not copied.</param>
    /// <param name="quantStorage">The type that packed codes are declared as, as in <see cref="QuantizationConfig.Bnb4BitQuantStorage"/>.</param>
    /// <returns>The tensors in the order of the <c>state_dict</c>.</returns>
    /// <exception cref="ArgumentException">An array is missing or has another length than the shape says, or the packed codes do not fill up elements of <paramref name="quantStorage"/>.</exception>
    public static IReadOnlyList<NamedTensor> Tensors(string module, Matrix4BitStorage storage, string quantStorage = "uint8")
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(storage);
        ArgumentNullException.ThrowIfNull(quantStorage);
        QuantState state = Describe(storage);
        (string elementType, int elementBytes) = BitsAndBytesNames.StorageType(quantStorage) ?? throw CheckpointErrors.UnknownStorageType(quantStorage, nameof(quantStorage));
        if (storage.Packed.Length % elementBytes != 0)
        {
            throw CheckpointErrors.StorageTypeMisfit(quantStorage, storage.Packed.Length, nameof(quantStorage));
        }
        float[] codebook = new float[CodebookSize];
        Codebooks.Codebook4Bit(storage.QuantType, codebook);
        byte[] text = Encoding.UTF8.GetBytes(state.ToJson());
        NamedTensor weight = NamedTensor.From(BitsAndBytesNames.Weight(module), elementType, [storage.Packed.Length / elementBytes, 1], storage.Packed);
        NamedTensor quantMap = NamedTensor.From(BitsAndBytesNames.QuantMap(module), "F32", [CodebookSize], codebook);
        NamedTensor quantState = NamedTensor.From(
            BitsAndBytesNames.QuantState(module, BitsAndBytesNames.Of(storage.QuantType)), "U8", [text.Length], text);
        if (storage.NestedBlocksize == 0)
        {
            return [weight, Vector(BitsAndBytesNames.Absmax(module), "F32", storage.Absmax!), quantMap, quantState];
        }
        return
        [
            weight,
            Vector(BitsAndBytesNames.Absmax(module), "U8", storage.AbsmaxCodes!),
            quantMap,
            Vector(BitsAndBytesNames.NestedAbsmax(module), "F32", storage.NestedAbsmax!),
            Vector(BitsAndBytesNames.NestedQuantMap(module), "F32", storage.NestedMap!),
            quantState,
        ];
    }

    /// <summary>The tensors of an LLM.int8() weight: <c>weight</c>, <c>SCB</c> and <c>weight_format</c>.</summary>
    /// <param name="module">The module.</param>
    /// <param name="rows">Output features.</param>
    /// <param name="columns">Input features.</param>
    /// <param name="codes">rows · columns codes, row-major; not copied.</param>
    /// <param name="rowAbsmax">The absmax of each row; not copied.</param>
    /// <returns>The tensors in the order of the <c>state_dict</c>.</returns>
    /// <exception cref="ArgumentException">An array has another length than the shape says.</exception>
    public static IReadOnlyList<NamedTensor> Tensors(string module, long rows, long columns, sbyte[] codes, float[] rowAbsmax)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(rowAbsmax);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        CheckLength(nameof(codes), codes, (Int128)rows * columns);
        CheckLength(nameof(rowAbsmax), rowAbsmax, rows);
        return
        [
            NamedTensor.From(BitsAndBytesNames.Weight(module), "I8", [rows, columns], codes),
            Vector(BitsAndBytesNames.RowAbsmax(module), "F32", rowAbsmax),
            NamedTensor.From<byte>(BitsAndBytesNames.RowFormat(module), "U8", [], [0]),
        ];
    }

    private static QuantState Describe(Matrix4BitStorage storage)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(storage.Rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(storage.Columns, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(storage.Blocksize, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(storage.NestedBlocksize);
        bool isNested = storage.NestedBlocksize != 0;
        Int128 count = (Int128)storage.Rows * storage.Columns;
        Int128 blocks = DivideUp(count, storage.Blocksize);
        CheckLength(nameof(storage.Packed), storage.Packed, DivideUp(count, 2));
        if (isNested)
        {
            CheckLength(nameof(storage.AbsmaxCodes), storage.AbsmaxCodes, blocks);
            CheckLength(nameof(storage.NestedAbsmax), storage.NestedAbsmax, DivideUp(blocks, storage.NestedBlocksize));
            CheckLength(nameof(storage.NestedMap), storage.NestedMap, 256);
        }
        else
        {
            CheckLength(nameof(storage.Absmax), storage.Absmax, blocks);
        }
        if (BitsAndBytesNames.Of(storage.DataType) is null || !float.IsFinite(storage.NestedOffset))
        {
            throw CheckpointErrors.UnwritableStorage(storage.DataType, storage.NestedOffset, nameof(storage));
        }
        return new QuantState
        {
            QuantType = storage.QuantType,
            Blocksize = storage.Blocksize,
            DataType = storage.DataType,
            Rows = storage.Rows,
            Columns = storage.Columns,
            NestedBlocksize = storage.NestedBlocksize,
            NestedOffset = storage.NestedOffset,
        };
    }

    private static NamedTensor Vector<T>(string name, string elementType, T[] values)
        where T : unmanaged => NamedTensor.From(name, elementType, [values.Length], values);

    private static void CheckLength(string array, Array? values, Int128 expected)
    {
        if (values is null || values.LongLength != expected)
        {
            throw CheckpointErrors.WrongLength(array, expected, values?.LongLength);
        }
    }

    private static Int128 DivideUp(Int128 value, int divisor) => (value + divisor - 1) / divisor;
}

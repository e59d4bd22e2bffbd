namespace NativeQuant;

/// <summary>
/// A 4-bit matrix in bitsandbytes' exchange format, in managed memory. With n = <see cref="Rows"/> · <see cref="Columns"/>, taken flat in
/// row-major order, weight i = codebook[code i] · absmax[i / <see cref="Blocksize"/>].
/// </summary>
public sealed class Matrix4BitStorage
{
    /// <summary>Output features.</summary>
    public required long Rows { get; init; }

    /// <summary>Input features.</summary>
    public required long Columns { get; init; }

    /// <summary>Codebook.</summary>
    public required QuantType QuantType { get; init; }

    /// <summary>Type of the weights before quantization: float32, float16 or bfloat16.</summary>
    public required DataType DataType { get; init; }

    /// <summary>Weights per absmax: 32, 64, 128, 256, 512, 1024, 2048 or 4096.</summary>
    public required int Blocksize { get; init; }

    /// <summary>0: <see cref="Absmax"/> holds plain float32 values. Otherwise (256) they are 8-bit codes with nested statistics.</summary>
    public int NestedBlocksize { get; init; }

    /// <summary>(n + 1) / 2 bytes: element 2i in the high nibble, element 2i + 1 in the low nibble of byte i.</summary>
    public required byte[] Packed { get; init; }

    /// <summary>Plain: ⌈n / blocksize⌉ values. Nested: null.</summary>
    public float[]? Absmax { get; init; }

    /// <summary>Nested: ⌈n / blocksize⌉ codes. Plain: null.</summary>
    public byte[]? AbsmaxCodes { get; init; }

    /// <summary>Nested: one value per <see cref="NestedBlocksize"/> codes. Plain: null.</summary>
    public float[]? NestedAbsmax { get; init; }

    /// <summary>Nested: the 256 values that <see cref="AbsmaxCodes"/> index. Plain: null.</summary>
    public float[]? NestedMap { get; init; }

    /// <summary>Nested: absmax[b] = map[codes[b]] · nested absmax[b / nested blocksize] + this.</summary>
    public float NestedOffset { get; init; }

    // What each array must hold, so that native code never reads past its end.
    internal void Check(string argument)
    {
        if (Rows < 1 || Columns < 1)
        {
            throw Errors.StorageShape(argument, Rows, Columns);
        }

        if (Blocksize < 1 || NestedBlocksize < 0)
        {
            throw Errors.StorageBlocksize(argument, Blocksize, NestedBlocksize);
        }

        Int128 count = (Int128)Rows * Columns;
        Int128 blocks = DivideUp(count, Blocksize);
        bool nested = NestedBlocksize != 0;
        CheckLength(argument, nameof(Packed), Packed, DivideUp(count, 2));
        CheckLength(argument, nameof(Absmax), Absmax, nested ? null : blocks);
        CheckLength(argument, nameof(AbsmaxCodes), AbsmaxCodes, nested ? blocks : null);
        CheckLength(argument, nameof(NestedAbsmax), NestedAbsmax, nested ? DivideUp(blocks, NestedBlocksize) : null);
        CheckLength(argument, nameof(NestedMap), NestedMap, nested ? 256 : null);
    }

    internal static Int128 DivideUp(Int128 value, int divisor) => (value + divisor - 1) / divisor;

    private static void CheckLength(string argument, string array, Array? values, Int128? expected)
    {
        if (values is null ? expected is not null : values.LongLength != expected)
        {
            throw Errors.StorageArray(argument, array, expected, values?.LongLength);
        }
    }
}

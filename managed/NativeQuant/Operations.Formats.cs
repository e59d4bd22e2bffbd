using NativeQuant.Interop;

namespace NativeQuant;

// Quantizers and dequantizers of the exchange formats, taken flat or by rows.
public static partial class Operations
{
    /// <summary>
    /// Quantizes n values, taken flat, to 4 bits. Per block: absmax = max |x|; y = x · (1 / absmax); code = nearest codebook entry, a value
    /// on a midpoint taking the lower one (FP4: the smaller magnitude). A block of zeros stores absmax 0 and the code of 0.
    /// </summary>
    /// <param name="input">Contiguous float32, float16 or bfloat16, n elements.</param>
    /// <param name="quantType">Codebook.</param>
    /// <param name="blocksize">Values per absmax: 32, 64, 128, 256, 512, 1024, 2048 or 4096.</param>
    /// <param name="packed">uint8, (n + 1) / 2 elements: value 2i in the high nibble of byte i; an odd count ends with the code of 0.</param>
    /// <param name="absmax">float32, ⌈n / blocksize⌉ elements.</param>
    /// <exception cref="InvalidWeightsException">A value is NaN or infinite; the message names its index.</exception>
    public static void Quantize4Bit(in TensorView input, QuantType quantType, int blocksize, in TensorView packed, in TensorView absmax)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_quantize_4bit(
            input.ToNative(nameof(input)),
            (NqQuantType)quantType,
            PositiveBlocksize(blocksize),
            packed.ToNative(nameof(packed)),
            absmax.ToNative(nameof(absmax))));
        KeepAlive(input, packed, absmax);
    }

    /// <summary>output[i] = codebook[code i] · absmax[i / blocksize], one float32 rounding, then one to the output type.</summary>
    /// <param name="packed">uint8, (n + 1) / 2 elements, as <see cref="Quantize4Bit"/> writes them.</param>
    /// <param name="absmax">float32, ⌈n / blocksize⌉ elements.</param>
    /// <param name="quantType">Codebook.</param>
    /// <param name="blocksize">Values per absmax.</param>
    /// <param name="output">Contiguous float32, float16 or bfloat16, n elements.</param>
    public static void Dequantize4Bit(in TensorView packed, in TensorView absmax, QuantType quantType, int blocksize, in TensorView output)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_dequantize_4bit(
            packed.ToNative(nameof(packed)),
            absmax.ToNative(nameof(absmax)),
            (NqQuantType)quantType,
            PositiveBlocksize(blocksize),
            output.ToNative(nameof(output))));
        KeepAlive(packed, absmax, output);
    }

    /// <summary>
    /// Quantizes n values, taken flat, to 8 bits. Per block: absmax = max |x|; y = x · (1 / absmax); code = index of the nearest map entry, a
    /// value on a midpoint taking the even index. A block of zeros stores absmax 0 and the code nearest 0. Source: arXiv 2110.02861.
    /// </summary>
    /// <param name="input">Contiguous float32, float16 or bfloat16, n elements.</param>
    /// <param name="map">float32, 256 ascending values; see <see cref="Codebooks.DynamicMap"/>.</param>
    /// <param name="blocksize">Values per absmax, at least 1.</param>
    /// <param name="codes">uint8, n elements.</param>
    /// <param name="absmax">float32, ⌈n / blocksize⌉ elements.</param>
    /// <exception cref="InvalidWeightsException">A value is NaN or infinite; the message names its index.</exception>
    public static void QuantizeBlockwise(in TensorView input, in TensorView map, int blocksize, in TensorView codes, in TensorView absmax)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_quantize_blockwise(
            input.ToNative(nameof(input)),
            map.ToNative(nameof(map)),
            PositiveBlocksize(blocksize),
            codes.ToNative(nameof(codes)),
            absmax.ToNative(nameof(absmax))));
        KeepAlive(input, map);
        KeepAlive(codes, absmax);
    }

    /// <summary>output[i] = map[code i] · absmax[i / blocksize], one float32 rounding, then one to the output type.</summary>
    /// <param name="codes">uint8, n elements.</param>
    /// <param name="map">float32, 256 values.</param>
    /// <param name="absmax">float32, ⌈n / blocksize⌉ elements.</param>
    /// <param name="blocksize">Values per absmax, at least 1.</param>
    /// <param name="output">Contiguous float32, float16 or bfloat16, n elements.</param>
    public static void DequantizeBlockwise(in TensorView codes, in TensorView map, in TensorView absmax, int blocksize, in TensorView output)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_dequantize_blockwise(
            codes.ToNative(nameof(codes)),
            map.ToNative(nameof(map)),
            absmax.ToNative(nameof(absmax)),
            PositiveBlocksize(blocksize),
            output.ToNative(nameof(output))));
        KeepAlive(codes, map);
        KeepAlive(absmax, output);
    }

    /// <summary>
    /// Double quantization of absmax values: offset = mean(absmax), summed in float64; codes and nested absmax as
    /// <see cref="QuantizeBlockwise"/> of absmax - offset. Source: QLoRA, arXiv 2305.14314.
    /// </summary>
    /// <param name="absmax">float32, n elements.</param>
    /// <param name="map">float32, 256 ascending values; the signed dynamic map.</param>
    /// <param name="nestedBlocksize">absmax values per nested absmax; 256 in every known checkpoint.</param>
    /// <param name="codes">uint8, n elements.</param>
    /// <param name="nestedAbsmax">float32, ⌈n / nestedBlocksize⌉ elements.</param>
    /// <param name="offset">float32, 1 element.</param>
    public static void QuantizeAbsmax(
        in TensorView absmax,
        in TensorView map,
        int nestedBlocksize,
        in TensorView codes,
        in TensorView nestedAbsmax,
        in TensorView offset)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_quantize_absmax(
            absmax.ToNative(nameof(absmax)),
            map.ToNative(nameof(map)),
            PositiveBlocksize(nestedBlocksize),
            codes.ToNative(nameof(codes)),
            nestedAbsmax.ToNative(nameof(nestedAbsmax)),
            offset.ToNative(nameof(offset))));
        KeepAlive(absmax, map, codes);
        KeepAlive(nestedAbsmax, offset);
    }

    /// <summary>absmax[i] = map[codes[i]] · nestedAbsmax[i / nestedBlocksize] + offset, product and sum each rounded to float32.</summary>
    /// <param name="codes">uint8, n elements.</param>
    /// <param name="map">float32, 256 values.</param>
    /// <param name="nestedAbsmax">float32, ⌈n / nestedBlocksize⌉ elements.</param>
    /// <param name="offset">float32, 1 element.</param>
    /// <param name="nestedBlocksize">absmax values per nested absmax.</param>
    /// <param name="absmax">float32, n elements; receives the result.</param>
    public static void DequantizeAbsmax(
        in TensorView codes,
        in TensorView map,
        in TensorView nestedAbsmax,
        in TensorView offset,
        int nestedBlocksize,
        in TensorView absmax)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_dequantize_absmax(
            codes.ToNative(nameof(codes)),
            map.ToNative(nameof(map)),
            nestedAbsmax.ToNative(nameof(nestedAbsmax)),
            offset.ToNative(nameof(offset)),
            PositiveBlocksize(nestedBlocksize),
            absmax.ToNative(nameof(absmax))));
        KeepAlive(codes, map, nestedAbsmax);
        KeepAlive(offset, absmax);
    }
}

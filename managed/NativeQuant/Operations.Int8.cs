using NativeQuant.Interop;

namespace NativeQuant;

// The parts of LLM.int8() (arXiv 2208.07339); Linear8Bit.Forward is the whole of it in one call.
public static partial class Operations
{
    /// <summary>
    /// Row-wise int8 quantization with outlier detection. With <paramref name="threshold"/> &gt; 0 an element with |x| ≥ threshold (or NaN)
    /// is an outlier: the row's absmax leaves it out, its code is 0, and with more than one row the codes of its whole column are 0.
    /// code = x · (127 / absmax of the row), rounded to nearest even; a row of zeros has absmax 0 and codes 0.
    /// </summary>
    /// <param name="input">float32, float16 or bfloat16 [rows, columns].</param>
    /// <param name="threshold">Outlier threshold, at least 0; 0 treats no element as an outlier.</param>
    /// <param name="codes">int8 [rows, columns].</param>
    /// <param name="rowAbsmax">float32, rows elements.</param>
    /// <param name="outlierColumns">uint8, columns elements: 1 where a column holds an outlier; <see langword="null"/> if not wanted.</param>
    public static unsafe void QuantizeInt8Rows(
        in TensorView input,
        float threshold,
        in TensorView codes,
        in TensorView rowAbsmax,
        TensorView? outlierColumns = null)
    {
        NqTensor outliers = outlierColumns?.ToNative(nameof(outlierColumns)) ?? default;
        Errors.ThrowIfFailed(NativeMethods.nq_quantize_int8_rows(
            input.ToNative(nameof(input)),
            threshold,
            codes.ToNative(nameof(codes)),
            rowAbsmax.ToNative(nameof(rowAbsmax)),
            outlierColumns is null ? null : &outliers));
        KeepAlive(input, codes, rowAbsmax);
        GC.KeepAlive(outlierColumns?.Buffer);
    }

    /// <summary>output[r, c] = codes[r, c] · rowAbsmax[r] · 0.0078740157 (the float32 nearest 1 / 127), left to right in float32.</summary>
    /// <param name="codes">int8 [rows, columns].</param>
    /// <param name="rowAbsmax">float32, rows elements.</param>
    /// <param name="output">float32, float16 or bfloat16 [rows, columns].</param>
    public static void DequantizeInt8Rows(in TensorView codes, in TensorView rowAbsmax, in TensorView output)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_dequantize_int8_rows(
            codes.ToNative(nameof(codes)), rowAbsmax.ToNative(nameof(rowAbsmax)), output.ToNative(nameof(output))));
        KeepAlive(codes, rowAbsmax, output);
    }

    /// <summary>Exact integer product y = a · bᵀ.</summary>
    /// <param name="a">int8 [M, K], K at most 130000.</param>
    /// <param name="b">int8 [N, K].</param>
    /// <param name="y">int32 [M, N].</param>
    public static void Int8Matmul(in TensorView a, in TensorView b, in TensorView y)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_int8_matmul(a.ToNative(nameof(a)), b.ToNative(nameof(b)), y.ToNative(nameof(y))));
        KeepAlive(a, b, y);
    }

    /// <summary>y[m, n] = acc[m, n] · (rowAbsmax[m] · columnAbsmax[n]) / 127² + bias[n]: the epilogue of an int8 product.</summary>
    /// <param name="acc">int32 [M, N].</param>
    /// <param name="rowAbsmax">float32, M elements.</param>
    /// <param name="columnAbsmax">float32, N elements.</param>
    /// <param name="bias">float32, float16 or bfloat16, N elements; <see langword="null"/> for none.</param>
    /// <param name="y">float32, float16 or bfloat16 [M, N].</param>
    public static unsafe void Int8MatmulDequantize(
        in TensorView acc,
        in TensorView rowAbsmax,
        in TensorView columnAbsmax,
        TensorView? bias,
        in TensorView y)
    {
        NqTensor nativeBias = bias?.ToNative(nameof(bias)) ?? default;
        Errors.ThrowIfFailed(NativeMethods.nq_int8_matmul_dequantize(
            acc.ToNative(nameof(acc)),
            rowAbsmax.ToNative(nameof(rowAbsmax)),
            columnAbsmax.ToNative(nameof(columnAbsmax)),
            bias is null ? null : &nativeBias,
            y.ToNative(nameof(y))));
        KeepAlive(acc, rowAbsmax);
        KeepAlive(columnAbsmax, y);
        GC.KeepAlive(bias?.Buffer);
    }
}

using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// A linear layer over a <see cref="Matrix4Bit"/>: y = T(T(x) · T(W)ᵀ + T(bias)), W the dequantized weights, T rounding to
/// <see cref="ComputeType"/>, products and sums float32. Source: bitsandbytes <c>matmul_4bit</c>.
/// </summary>
public sealed class Linear4Bit : Linear
{
    /// <summary>Makes the layer, which takes over its arguments.</summary>
    /// <param name="weight">Weights [output features, input features].</param>
    /// <param name="bias">One row of output features elements, float32, float16 or bfloat16; <see langword="null"/> for none.</param>
    /// <param name="computeType">Type that operands and result are rounded to (<c>bnb_4bit_compute_dtype</c>); float32 rounds nothing.</param>
    /// <exception cref="ArgumentException"><paramref name="bias"/> has another shape, or <paramref name="computeType"/> is no floating-point type.</exception>
    public Linear4Bit(Matrix4Bit weight, TensorView? bias, DataType computeType = DataType.Float32)
        : base(weight, bias)
    {
        if (!computeType.IsFloatingPoint())
        {
            throw Errors.NotFloatingPoint(nameof(computeType), computeType);
        }

        ComputeType = computeType;
    }

    /// <summary>Type that operands and result are rounded to.</summary>
    public DataType ComputeType { get; }

    /// <inheritdoc/>
    public override unsafe void Forward(in TensorView x, in TensorView y)
    {
        NqTensor bias;
        Errors.ThrowIfFailed(NativeMethods.nq_linear4bit_forward(
            Weight.OpenHandle, x.ToNative(nameof(x)), NativeBias(&bias), (NqDtype)ComputeType, y.ToNative(nameof(y))));
        Operations.KeepAlive(x, y);
        GC.KeepAlive(this);
    }
}

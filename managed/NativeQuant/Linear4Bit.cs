using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// A linear layer over a <see cref="Matrix4Bit"/>: y = T(T(x) · T(W)ᵀ + T(bias)), W the dequantized weights, T rounding to
/// <see cref="ComputeType"/>, products and sums float32. Source: bitsandbytes <c>matmul_4bit</c>.
/// </summary>
/// <remarks>
/// With <see cref="DataType.Int8"/> as compute type the layer is an approximation, and faster: activations are rounded to int8 in blocks of 64
/// columns (fewer if the weights' blocks are shorter), the codebook to int8, sums of a block are exact integers and each is scaled in float32.
/// Relative error about 1 % of the result's norm (at most 1.2 % for activations and weights from normal to Student's t with 5 degrees of
/// freedom). A NaN or infinity in a row of x makes that row of y NaN. Tensors keep their own types.
/// </remarks>
public sealed class Linear4Bit : Linear
{
    /// <summary>Makes the layer, which takes over its arguments.</summary>
    /// <param name="weight">Weights [output features, input features].</param>
    /// <param name="bias">One row of output features elements, float32, float16 or bfloat16; <see langword="null"/> for none.</param>
    /// <param name="computeType">
    /// Type that operands and result are rounded to (<c>bnb_4bit_compute_dtype</c>); float32 rounds nothing. <see cref="DataType.Int8"/>: int8
    /// activations (see the remarks).
    /// </param>
    /// <exception cref="ArgumentException"><paramref name="bias"/> has another shape, or <paramref name="computeType"/> is neither a floating-point type nor int8.</exception>
    public Linear4Bit(Matrix4Bit weight, TensorView? bias, DataType computeType = DataType.Float32)
        : base(weight, bias)
    {
        if (!computeType.IsFloatingPoint() && computeType != DataType.Int8)
        {
            throw Errors.NoComputeType(nameof(computeType), computeType);
        }

        ComputeType = computeType;
    }

    /// <summary>Type that operands and result are rounded to, or <see cref="DataType.Int8"/> for int8 activations.</summary>
    public DataType ComputeType { get; }

    private protected override DataType GroupComputeType => ComputeType;

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

using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>A linear layer over a <see cref="DenseMatrix"/>. Weights are widened to float32; products and sums are float32.</summary>
public sealed class DenseLinear : Linear
{
    /// <summary>Makes the layer, which takes over its arguments.</summary>
    /// <param name="weight">Weights [output features, input features].</param>
    /// <param name="bias">One row of output features elements, float32, float16 or bfloat16; <see langword="null"/> for none.</param>
    /// <exception cref="ArgumentException"><paramref name="bias"/> has another shape.</exception>
    public DenseLinear(DenseMatrix weight, TensorView? bias)
        : base(weight, bias)
    {
    }

    /// <inheritdoc/>
    public override unsafe void Forward(in TensorView x, in TensorView y)
    {
        NqTensor bias;
        Errors.ThrowIfFailed(NativeMethods.nq_linear_forward(
            Weight.OpenHandle, x.ToNative(nameof(x)), NativeBias(&bias), y.ToNative(nameof(y))));
        Operations.KeepAlive(x, y);
        GC.KeepAlive(this);
    }
}

using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>
/// A linear layer over a <see cref="Matrix8Bit"/>: LLM.int8(). Inputs are quantized row-wise to int8, except the columns in which some
/// |x| reaches <see cref="Threshold"/>; those are multiplied in floating point. Source: arXiv 2208.07339.
/// </summary>
public sealed class Linear8Bit : Linear
{
    /// <summary>Makes the layer, which takes over its arguments.</summary>
    /// <param name="weight">Weights [output features, input features], at most 130000 input features.</param>
    /// <param name="bias">One row of output features elements, float32, float16 or bfloat16; <see langword="null"/> for none.</param>
    /// <param name="threshold">Outlier threshold (<c>llm_int8_threshold</c>), at least 0; 0 treats no column apart.</param>
    /// <exception cref="ArgumentException"><paramref name="bias"/> has another shape, or <paramref name="threshold"/> is negative or not a number.</exception>
    public Linear8Bit(Matrix8Bit weight, TensorView? bias, float threshold = 6.0f)
        : base(weight, bias)
    {
        if (!(threshold >= 0))
        {
            throw Errors.NegativeThreshold(nameof(threshold), threshold);
        }

        Threshold = threshold;
    }

    /// <summary>Outlier threshold.</summary>
    public float Threshold { get; }

    private protected override float GroupThreshold => Threshold;

    /// <inheritdoc/>
    public override unsafe void Forward(in TensorView x, in TensorView y)
    {
        NqTensor bias;
        Errors.ThrowIfFailed(NativeMethods.nq_linear8bit_forward(
            Weight.OpenHandle, x.ToNative(nameof(x)), NativeBias(&bias), Threshold, y.ToNative(nameof(y))));
        Operations.KeepAlive(x, y);
        GC.KeepAlive(this);
    }
}

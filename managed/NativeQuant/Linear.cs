using System.Runtime.CompilerServices;
using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>A linear layer y = x · Wᵀ + bias. It owns its weight matrix and its bias and disposes of both.</summary>
/// <remarks>
/// Immutable and thread-safe: any number of threads may call <see cref="Forward"/> at once with outputs of their own. Forward allocates no
/// managed memory.
/// </remarks>
public abstract class Linear : IDisposable
{
    private readonly TensorView _bias;

    private protected Linear(Matrix weight, TensorView? bias)
    {
        ArgumentNullException.ThrowIfNull(weight);
        if (bias is TensorView view)
        {
            if (view.Buffer is null)
            {
                throw Errors.EmptyView(nameof(bias));
            }

            if (view.Rows != 1 || view.Columns != weight.Rows)
            {
                throw Errors.BiasShape(nameof(bias), view, weight.Rows);
            }

            _bias = view;
        }

        Weight = weight;
    }

    /// <summary>The weight matrix [<see cref="OutFeatures"/>, <see cref="InFeatures"/>].</summary>
    public Matrix Weight { get; }

    /// <summary>The buffer that holds the bias, <see langword="null"/> if the layer has none.</summary>
    public DeviceBuffer? Bias => _bias.Buffer;

    /// <summary>Input features: columns of the weight.</summary>
    public long InFeatures => Weight.Columns;

    /// <summary>Output features: rows of the weight.</summary>
    public long OutFeatures => Weight.Rows;

    /// <summary>y = x · Wᵀ + bias.</summary>
    /// <param name="x">float32, float16 or bfloat16 [T, <see cref="InFeatures"/>].</param>
    /// <param name="y">float32, float16 or bfloat16 [T, <see cref="OutFeatures"/>]; receives the result.</param>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a tensor belongs to another device.</exception>
    /// <exception cref="ObjectDisposedException">The layer, or the buffer of a tensor, was disposed.</exception>
    public abstract void Forward(in TensorView x, in TensorView y);

    /// <summary>Frees weight and bias. May be called any number of times and from any thread; a forward under way finishes first.</summary>
    public void Dispose()
    {
        Weight.Dispose();
        Bias?.Dispose();
        GC.SuppressFinalize(this);
    }

    // Fills `bias` and returns its address, or null if there is none. The caller's frame holds `bias`, so the address stays valid there.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected unsafe NqTensor* NativeBias(NqTensor* bias)
    {
        if (_bias.Buffer is null)
        {
            return null;
        }

        *bias = _bias.ToNative(nameof(Bias));
        return bias;
    }
}

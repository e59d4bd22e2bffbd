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
    private const int MostGroupLayers = 8;

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

    /// <summary>y = y + layer(x): the sum is float32, rounded once to the type of y.</summary>
    /// <param name="x">float32, float16 or bfloat16 [T, <see cref="InFeatures"/>].</param>
    /// <param name="y">float32, float16 or bfloat16 [T, <see cref="OutFeatures"/>]; changed in place.</param>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a tensor belongs to another device.</exception>
    /// <exception cref="ObjectDisposedException">The layer, or the buffer of a tensor, was disposed.</exception>
    public void ForwardAdd(in TensorView x, in TensorView y)
    {
        Linear layer = this;
        ForwardGroup(new ReadOnlySpan<Linear>(in layer), x, new ReadOnlySpan<TensorView>(in y), NqEpilogue.Add);
    }

    /// <summary>
    /// y[i] = layers[i](x), bit for bit as <see cref="Forward"/> of each, in one call that all threads work on together. What x has to be
    /// made into (another type, int8 codes) is made once for all.
    /// </summary>
    /// <param name="layers">1 to 8 layers of any formats, all of the same input features.</param>
    /// <param name="x">float32, float16 or bfloat16 [T, input features].</param>
    /// <param name="y">As many tensors [T, output features of the layer]; they share no memory.</param>
    /// <exception cref="ArgumentException">A number, shape or type does not fit, or a tensor belongs to another device.</exception>
    /// <exception cref="ObjectDisposedException">A layer, or the buffer of a tensor, was disposed.</exception>
    public static void ForwardGroup(ReadOnlySpan<Linear> layers, in TensorView x, ReadOnlySpan<TensorView> y) =>
        ForwardGroup(layers, x, y, NqEpilogue.None);

    /// <summary>y = g / (1 + exp(-g)) · u with g = gate(x) and u = up(x), in one call (arXiv 2002.05202).</summary>
    /// <param name="gate">The layer of g.</param>
    /// <param name="up">The layer of u, of as many input and output features.</param>
    /// <param name="x">float32, float16 or bfloat16 [T, input features].</param>
    /// <param name="y">float32, float16 or bfloat16 [T, output features]; receives the result.</param>
    /// <param name="u">float32, float16 or bfloat16 [T, output features]; receives u.</param>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a tensor belongs to another device.</exception>
    /// <exception cref="ObjectDisposedException">A layer, or the buffer of a tensor, was disposed.</exception>
    public static void ForwardGatedSilu(Linear gate, Linear up, in TensorView x, in TensorView y, in TensorView u) =>
        ForwardGroup([gate, up], x, [y, u], NqEpilogue.GatedSilu);

    /// <summary>Frees weight and bias. May be called any number of times and from any thread; a forward under way finishes first.</summary>
    public void Dispose()
    {
        Weight.Dispose();
        Bias?.Dispose();
        GC.SuppressFinalize(this);
    }

    // What the members of a group take beside their tensors: see NqLinearLayer.
    private protected virtual DataType GroupComputeType => DataType.Float32;

    private protected virtual float GroupThreshold => 0;

    private static void ForwardGroup(ReadOnlySpan<Linear> layers, in TensorView x, ReadOnlySpan<TensorView> y, NqEpilogue epilogue)
    {
        if (layers.Length is 0 or > MostGroupLayers || layers.Length != y.Length)
        {
            throw Errors.GroupSize(nameof(layers), MostGroupLayers, layers.Length, y.Length);
        }

        Span<NqLinearLayer> native = stackalloc NqLinearLayer[layers.Length];
        for (int i = 0; i < layers.Length; i++)
        {
            Linear layer = layers[i];
            ArgumentNullException.ThrowIfNull(layer);
            native[i] = new NqLinearLayer
            {
                Matrix = layer.Weight.OpenHandle.DangerousGetHandle(),
                ComputeDtype = (NqDtype)layer.GroupComputeType,
                Threshold = layer.GroupThreshold,
                Bias = layer._bias.Buffer is null ? default : layer._bias.ToNative(nameof(Bias)),
                Y = y[i].ToNative(nameof(y)),
            };
        }

        Errors.ThrowIfFailed(NativeMethods.nq_linear_group_forward(native, (uint)layers.Length, x.ToNative(nameof(x)), epilogue));
        GC.KeepAlive(x.Buffer);
        for (int i = 0; i < layers.Length; i++)
        {
            GC.KeepAlive(layers[i]);
            GC.KeepAlive(y[i].Buffer);
        }
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

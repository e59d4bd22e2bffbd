using NativeQuant.Interop;

namespace NativeQuant;

// What a decoder-only transformer computes beside its linear layers.
public static partial class Operations
{
    /// <summary>y[t] = W[ids[t]]: rows of an embedding table.</summary>
    /// <param name="matrix">The table [vocabulary, C].</param>
    /// <param name="ids">uint32, T elements, each less than the number of rows.</param>
    /// <param name="y">float32, float16 or bfloat16 [T, C].</param>
    /// <exception cref="InvalidWeightsException">An id is outside the table; the message names the first.</exception>
    public static void Embedding(DenseMatrix matrix, in TensorView ids, in TensorView y)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        Errors.ThrowIfFailed(NativeMethods.nq_embedding_forward(matrix.OpenHandle, ids.ToNative(nameof(ids)), y.ToNative(nameof(y))));
        KeepAlive(ids, y);
    }

    /// <summary>y = x / √(mean(x²) + epsilon) · weight, per row. In place allowed. Source: arXiv 1910.07467.</summary>
    /// <param name="x">float32, float16 or bfloat16 [T, C].</param>
    /// <param name="weight">float32, float16 or bfloat16, C elements.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="y">float32, float16 or bfloat16 [T, C].</param>
    public static void RmsNorm(in TensorView x, in TensorView weight, float epsilon, in TensorView y)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_rmsnorm_forward(
            x.ToNative(nameof(x)), weight.ToNative(nameof(weight)), epsilon, y.ToNative(nameof(y))));
        KeepAlive(x, weight, y);
    }

    /// <summary>
    /// Rotary position embedding in place, half-split convention: with h the columns of <paramref name="cosine"/>, for every head and
    /// i &lt; h, (x[i], x[i + h]) = (x[i] · c - x[i + h] · s, x[i + h] · c + x[i] · s) with c = cosine[positions[t], i] and
    /// s = sine[positions[t], i]. Elements 2h and beyond of a head stay. Source: arXiv 2104.09864.
    /// </summary>
    /// <param name="x">float32, float16 or bfloat16 [T, heads · headDim]; changed in place.</param>
    /// <param name="headDim">Elements of a head; at least 2h.</param>
    /// <param name="positions">uint32, T elements, each less than the rows of <paramref name="cosine"/>.</param>
    /// <param name="cosine">float32 [positions, h].</param>
    /// <param name="sine">float32 [positions, h].</param>
    public static void Rotary(in TensorView x, int headDim, in TensorView positions, in TensorView cosine, in TensorView sine)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headDim);
        Errors.ThrowIfFailed(NativeMethods.nq_rotary_forward(
            x.ToNative(nameof(x)),
            (uint)headDim,
            positions.ToNative(nameof(positions)),
            cosine.ToNative(nameof(cosine)),
            sine.ToNative(nameof(sine))));
        KeepAlive(x, positions);
        KeepAlive(cosine, sine);
    }

    /// <summary>
    /// Causal grouped-query attention of the last T positions of a layer's cache:
    /// y[t, h] = Σ_p softmax_p(scale · q[t, h] · k[p, h / (H / kvHeads)]) · v[p, h / (H / kvHeads)] over positions p ≤ P - T + t with P the
    /// length of the layer, and with <paramref name="window"/> &gt; 0 also p &gt; P - T + t - window. Source: arXiv 1706.03762, 2305.13245.
    /// </summary>
    /// <param name="cache">Keys and values, those of the T positions included.</param>
    /// <param name="layer">The layer, from 0.</param>
    /// <param name="q">float32, float16 or bfloat16 [T, H · head dim], T ≤ P, H a multiple of the cache's key/value heads.</param>
    /// <param name="scale">Factor of the scores, usually 1 / √(head dim).</param>
    /// <param name="window">Positions attended to, the own one included; 0: all.</param>
    /// <param name="y">float32, float16 or bfloat16 [T, H · head dim].</param>
    public static void Attention(KvCache cache, int layer, in TensorView q, float scale, long window, in TensorView y)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentOutOfRangeException.ThrowIfNegative(window);
        cache.CheckLayer(layer);
        Errors.ThrowIfFailed(NativeMethods.nq_attention_forward(
            cache.OpenHandle, (uint)layer, q.ToNative(nameof(q)), scale, (ulong)window, y.ToNative(nameof(y))));
        KeepAlive(q, y);
    }

    /// <summary>y = gate / (1 + exp(-gate)) · up, elementwise. In place allowed. Source: arXiv 2002.05202.</summary>
    /// <param name="gate">float32, float16 or bfloat16 [T, C].</param>
    /// <param name="up">float32, float16 or bfloat16 [T, C].</param>
    /// <param name="y">float32, float16 or bfloat16 [T, C].</param>
    public static void GatedSilu(in TensorView gate, in TensorView up, in TensorView y)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_gated_silu_forward(
            gate.ToNative(nameof(gate)), up.ToNative(nameof(up)), y.ToNative(nameof(y))));
        KeepAlive(gate, up, y);
    }

    /// <summary>y = y + x, elementwise.</summary>
    /// <param name="x">float32, float16 or bfloat16 [T, C].</param>
    /// <param name="y">float32, float16 or bfloat16 [T, C]; changed in place.</param>
    public static void ResidualAdd(in TensorView x, in TensorView y)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_residual_add_forward(x.ToNative(nameof(x)), y.ToNative(nameof(y))));
        KeepAlive(x, y);
    }

    /// <summary>y = logits - log(Σ exp(logits)) per row. In place allowed.</summary>
    /// <param name="logits">float32, float16 or bfloat16 [T, V].</param>
    /// <param name="y">float32, float16 or bfloat16 [T, V].</param>
    public static void LogSoftmax(in TensorView logits, in TensorView y)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_log_softmax_forward(logits.ToNative(nameof(logits)), y.ToNative(nameof(y))));
        KeepAlive(logits, y);
    }

    /// <summary>y[t] = log-softmax(logits[t])[ids[t]], natural logarithm, sums in float64.</summary>
    /// <param name="logits">float32, float16 or bfloat16 [T, V].</param>
    /// <param name="ids">uint32, T elements, each less than V.</param>
    /// <param name="y">float32, T elements.</param>
    /// <exception cref="InvalidWeightsException">An id is not less than V; the message names the first.</exception>
    public static void TokenLogProbability(in TensorView logits, in TensorView ids, in TensorView y)
    {
        Errors.ThrowIfFailed(NativeMethods.nq_token_log_probability_forward(
            logits.ToNative(nameof(logits)), ids.ToNative(nameof(ids)), y.ToNative(nameof(y))));
        KeepAlive(logits, ids, y);
    }
}

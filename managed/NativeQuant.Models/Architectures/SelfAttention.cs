namespace NativeQuant.Models;

/// <summary>Self-attention with rotary positions and a KV cache: output(attend(rotate(q(x)), rotate(k(x)), v(x))). Immutable.</summary>
internal sealed class SelfAttention(AttentionDescription description, int layer, int window, Linear query, Linear key, Linear value, Linear output)
{
    private readonly int _headDim = description.HeadDim;
    private readonly float _scale = (float)(1 / Math.Sqrt(description.HeadDim));

    private readonly Linear[] _projections = [query, key, value];

    /// <summary>
    /// Reads <see cref="Workspace.Normed"/> and adds the result to <see cref="Workspace.Hidden"/>; appends the keys and values of the pass
    /// to the cache.
    /// </summary>
    public void Forward(Workspace workspace, KvCache cache)
    {
        TensorView queries = workspace.Queries;
        TensorView keys = workspace.Keys;
        TensorView values = workspace.Values;
        Linear.ForwardGroup(_projections, workspace.Normed, [queries, keys, values]);

        RotaryTables.Table rotary = workspace.Rotary;
        Operations.Rotary(queries, _headDim, workspace.Positions, rotary.Cosine, rotary.Sine);
        Operations.Rotary(keys, _headDim, workspace.Positions, rotary.Cosine, rotary.Sine);
        cache.Append(layer, keys, values);

        TensorView attended = workspace.Attended;
        Operations.Attention(cache, layer, queries, _scale, window, attended);
        output.ForwardAdd(attended, workspace.Hidden);
    }
}

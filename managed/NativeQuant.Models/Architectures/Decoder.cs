namespace NativeQuant.Models;

/// <summary>
/// A decoder-only transformer: embedding, layers, final norm, output head. Immutable and thread-safe; what a pass changes is in the
/// <see cref="Workspace"/> and <see cref="KvCache"/> given to it.
/// </summary>
internal sealed class Decoder(DecoderDescription description, DenseMatrix embedding, DecoderLayer[] layers, RmsNorm norm, Linear head)
{
    public DecoderDescription Description { get; } = description;

    public Linear Head { get; } = head;

    /// <summary>Runs the tokens of the pass (ids and positions in <paramref name="workspace"/>) through all layers.</summary>
    /// <exception cref="OperationCanceledException">Polled before every layer. Some layers may then have appended to the cache.</exception>
    public void Forward(Workspace workspace, KvCache cache, CancellationToken cancellationToken)
    {
        Operations.Embedding(embedding, workspace.Ids, workspace.Hidden);
        foreach (DecoderLayer layer in layers)
        {
            cancellationToken.ThrowIfCancellationRequested();
            layer.Forward(workspace, cache);
        }
    }

    /// <summary>Logits of <paramref name="count"/> tokens of the pass from <paramref name="start"/> on, valid until the next call.</summary>
    /// <returns>f32 [count, vocabulary] in <paramref name="workspace"/>.</returns>
    public TensorView Logits(Workspace workspace, int start, int count)
    {
        TensorView normed = workspace.Normed.SliceRows(start, count);
        norm.Forward(workspace.Hidden.SliceRows(start, count), normed);
        TensorView logits = workspace.Logits(count);
        Head.Forward(normed, logits);
        return logits;
    }
}

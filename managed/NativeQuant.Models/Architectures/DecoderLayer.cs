namespace NativeQuant.Models;

/// <summary>One pre-norm transformer layer: x += attention(norm(x)), then x += mlp(norm(x)). Immutable.</summary>
internal sealed class DecoderLayer(RmsNorm attentionNorm, SelfAttention attention, RmsNorm mlpNorm, GatedMlp mlp)
{
    /// <summary>Advances <see cref="Workspace.Hidden"/> through this layer.</summary>
    public void Forward(Workspace workspace, KvCache cache)
    {
        attentionNorm.Forward(workspace.Hidden, workspace.Normed);
        attention.Forward(workspace, cache);

        mlpNorm.Forward(workspace.Hidden, workspace.Normed);
        mlp.Forward(workspace);
    }
}

namespace NativeQuant.Models;

/// <summary>down(silu(gate(x)) * up(x)) (arXiv 2002.05202). Immutable.</summary>
internal sealed class GatedMlp(Linear gate, Linear up, Linear down)
{
    /// <summary>Reads <see cref="Workspace.Normed"/> and adds the result to <see cref="Workspace.Hidden"/>.</summary>
    public void Forward(Workspace workspace)
    {
        TensorView gated = workspace.Gate;
        Linear.ForwardGatedSilu(gate, up, workspace.Normed, gated, workspace.Up);
        down.ForwardAdd(gated, workspace.Hidden);
    }
}

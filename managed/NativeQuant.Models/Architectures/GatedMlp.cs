namespace NativeQuant.Models;

/// <summary>down(silu(gate(x)) * up(x)) (arXiv 2002.05202). Immutable.</summary>
internal sealed class GatedMlp(Linear gate, Linear up, Linear down)
{
    /// <summary>Reads and then overwrites <see cref="Workspace.Normed"/>.</summary>
    public void Forward(Workspace workspace)
    {
        TensorView x = workspace.Normed;
        TensorView gated = workspace.Gate;
        TensorView widened = workspace.Up;
        gate.Forward(x, gated);
        up.Forward(x, widened);
        Operations.GatedSilu(gated, widened, gated);
        down.Forward(gated, x);
    }
}

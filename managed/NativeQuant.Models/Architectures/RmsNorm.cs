namespace NativeQuant.Models;

/// <summary>x / sqrt(mean(x^2) + epsilon) * weight, per row (arXiv 1910.07467). Immutable.</summary>
internal sealed class RmsNorm(TensorView weight, float epsilon)
{
    public TensorView Weight { get; } = weight;

    public void Forward(in TensorView x, in TensorView y) => Operations.RmsNorm(x, Weight, epsilon, y);
}

namespace NativeQuant.Cli.Inspection;

/// <summary>One weight of a checkpoint, with everything that belongs to it.</summary>
/// <param name="Name">Name as in the checkpoint.</param>
/// <param name="Format">How it is stored: an element type such as "bf16", or "int8", "nf4", "fp4", "nf4 + double quantization".</param>
/// <param name="Shape">Dimensions before quantization.</param>
/// <param name="Bytes">Bytes of its numbers, or of its codes and their statistics.</param>
/// <param name="IsQuantized">Whether it is stored in 8 or 4 bits.</param>
internal sealed record StoredWeight(string Name, string Format, IReadOnlyList<long> Shape, long Bytes, bool IsQuantized)
{
    /// <summary>Parameters: the product of <see cref="Shape"/>.</summary>
    public long Parameters { get; } = Shape.Aggregate(1L, static (product, dimension) => checked(product * dimension));

    /// <summary>Whether it is the matrix of a linear module in a decoder layer, which are the ones that transformers quantizes.</summary>
    public bool IsLayerLinear { get; } = Shape.Count == 2 && Name.Contains(".layers.", StringComparison.Ordinal) && Name.EndsWith(".weight", StringComparison.Ordinal);
}

namespace NativeQuant.Models;

/// <summary>
/// What a decoder-only transformer is made of: everything that differs between the architectures of this family, and nothing that can
/// be read from the weights. An <see cref="Architecture"/> derives it from config.json; <see cref="DecoderBuilder"/> builds from it.
/// </summary>
internal sealed record DecoderDescription
{
    /// <summary>Rows of the embedding and of the output head.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Positions the model was made for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Epsilon of every RMSNorm.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>The output head is the embedding matrix.</summary>
    public required bool TiedHead { get; init; }

    /// <summary>Self-attention, the same in every layer but for the window.</summary>
    public required AttentionDescription Attention { get; init; }

    /// <summary>Gated MLP, the same in every layer.</summary>
    public required MlpDescription Mlp { get; init; }

    /// <summary>Rotary position embedding of queries and keys.</summary>
    public required RotaryDescription Rotary { get; init; }

    /// <summary>Positions that each layer attends to, the own one included; 0: all. As many entries as layers.</summary>
    public required IReadOnlyList<int> AttentionWindows { get; init; }
}

/// <summary>Grouped-query self-attention: queries of <paramref name="Heads"/> heads over <paramref name="KeyValueHeads"/> heads of keys and values.</summary>
/// <param name="Heads">Query heads; a multiple of the key-value heads.</param>
/// <param name="KeyValueHeads">Heads of keys and values.</param>
/// <param name="HeadDim">Elements of a head.</param>
/// <param name="InputBias">The q, k and v projections have biases.</param>
/// <param name="OutputBias">The output projection has a bias.</param>
internal sealed record AttentionDescription(int Heads, int KeyValueHeads, int HeadDim, bool InputBias, bool OutputBias);

/// <summary>down(silu(gate(x)) * up(x)).</summary>
/// <param name="IntermediateSize">Output features of gate and up.</param>
/// <param name="Bias">All three projections have biases.</param>
internal sealed record MlpDescription(int IntermediateSize, bool Bias);

namespace NativeQuant.Models;

/// <summary>
/// A model architecture: turns config.json into the <see cref="DecoderDescription"/> that the decoder is built from. One file per
/// architecture and one line in <see cref="ArchitectureRegistry"/>.
/// </summary>
internal abstract class Architecture
{
    /// <summary>Name as <c>architectures</c> in config.json has it.</summary>
    public abstract string Name { get; }

    /// <summary>Describes the decoder.</summary>
    /// <exception cref="ConfigurationException">A value that this architecture needs is missing or unusable.</exception>
    public abstract DecoderDescription Describe(ModelConfig config);

    /// <summary>The description most decoders of this family share: pre-norm, rotary, grouped queries, gated MLP, no biases, no windows.</summary>
    protected static DecoderDescription DescribeLlamaLike(ModelConfig config)
    {
        if (config.HiddenAct != "silu")
        {
            throw ModelErrors.UnsupportedConfiguration("hidden_act", "silu", config.HiddenAct);
        }
        if (config.HeadDim % 2 != 0)
        {
            throw ModelErrors.UnsupportedConfiguration("head_dim", "an even number", config.HeadDim);
        }
        return new DecoderDescription
        {
            VocabularySize = config.VocabSize,
            HiddenSize = config.HiddenSize,
            ContextLength = config.MaxPositionEmbeddings,
            NormEpsilon = (float)config.RmsNormEps,
            TiedHead = config.TieWordEmbeddings,
            Attention = new AttentionDescription(config.NumAttentionHeads, config.NumKeyValueHeads, config.HeadDim, InputBias: false, OutputBias: false),
            Mlp = new MlpDescription(config.IntermediateSize, Bias: false),
            Rotary = new RotaryDescription(config.HeadDim, config.RopeTheta, RotaryScaling.FromConfig(config.RopeScaling)),
            AttentionWindows = new int[config.NumHiddenLayers],
        };
    }

    /// <summary>The attention window of every layer as config.json gives it; 0: all positions.</summary>
    protected static int[] Windows(ModelConfig config) => [.. Enumerable.Range(0, config.NumHiddenLayers).Select(layer => config.AttentionWindow(layer) ?? 0)];
}

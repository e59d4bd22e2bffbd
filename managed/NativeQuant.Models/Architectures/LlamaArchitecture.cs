namespace NativeQuant.Models;

/// <summary>LlamaForCausalLM: Llama 1 to 3.x and the many models that kept its structure. Optional biases on all projections.</summary>
internal sealed class LlamaArchitecture : Architecture
{
    public override string Name => "LlamaForCausalLM";

    public override DecoderDescription Describe(ModelConfig config)
    {
        DecoderDescription description = DescribeLlamaLike(config);
        return description with
        {
            Attention = description.Attention with { InputBias = config.AttentionBias, OutputBias = config.AttentionBias },
            Mlp = description.Mlp with { Bias = config.MlpBias },
        };
    }
}

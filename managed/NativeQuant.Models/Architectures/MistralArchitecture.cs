namespace NativeQuant.Models;

/// <summary>MistralForCausalLM: as Llama, with a sliding attention window in every layer if config.json gives one.</summary>
internal sealed class MistralArchitecture : Architecture
{
    public override string Name => "MistralForCausalLM";

    public override DecoderDescription Describe(ModelConfig config) => DescribeLlamaLike(config) with { AttentionWindows = Windows(config) };
}

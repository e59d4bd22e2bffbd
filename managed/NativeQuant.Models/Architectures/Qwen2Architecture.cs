namespace NativeQuant.Models;

/// <summary>
/// Qwen2ForCausalLM (Qwen 2 and 2.5): as Llama, with biases on q, k and v, and with <c>use_sliding_window</c> a sliding attention
/// window in the layers from <c>max_window_layers</c> on.
/// </summary>
internal sealed class Qwen2Architecture : Architecture
{
    public override string Name => "Qwen2ForCausalLM";

    public override DecoderDescription Describe(ModelConfig config)
    {
        DecoderDescription description = DescribeLlamaLike(config);
        return description with
        {
            Attention = description.Attention with { InputBias = true },
            AttentionWindows = Windows(config),
        };
    }
}

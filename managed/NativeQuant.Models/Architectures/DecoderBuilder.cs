namespace NativeQuant.Models;

/// <summary>Builds a <see cref="Decoder"/> from its description and the weights of a checkpoint, under the tensor names of Hugging Face's Llama.</summary>
internal static class DecoderBuilder
{
    private const string Head = "lm_head";
    private const string Embedding = "model.embed_tokens.weight";

    /// <summary>Modules that stay unquantized unless a skip list says otherwise: the output head, and what is tied to it.</summary>
    public static IReadOnlyList<string> DefaultSkipModules { get; } = [Head];

    /// <summary>Loads every weight, in the order of a forward pass.</summary>
    public static Decoder Build(DecoderDescription description, WeightLoader weights)
    {
        DenseMatrix embedding = weights.Embedding(Embedding, description.VocabularySize, description.HiddenSize);
        var layers = new DecoderLayer[description.AttentionWindows.Count];
        for (int i = 0; i < layers.Length; i++)
        {
            string prefix = $"model.layers.{i}.";
            layers[i] = new DecoderLayer(
                Norm(prefix + "input_layernorm"),
                Attention(prefix + "self_attn.", i),
                Norm(prefix + "post_attention_layernorm"),
                Mlp(prefix + "mlp."));
        }
        RmsNorm norm = Norm("model.norm");
        Linear head = description.TiedHead
            ? weights.TiedHead(Head, Embedding, embedding)
            : weights.Head(Head, description.VocabularySize, description.HiddenSize);
        return new Decoder(description, embedding, layers, norm, head);

        RmsNorm Norm(string module) => new(weights.Vector(module + ".weight", description.HiddenSize), description.NormEpsilon);

        SelfAttention Attention(string prefix, int layer)
        {
            AttentionDescription a = description.Attention;
            int hidden = description.HiddenSize;
            int queries = checked(a.Heads * a.HeadDim);
            int keys = checked(a.KeyValueHeads * a.HeadDim);
            return new SelfAttention(
                a,
                layer,
                description.AttentionWindows[layer],
                weights.Linear(prefix + "q_proj", queries, hidden, a.InputBias),
                weights.Linear(prefix + "k_proj", keys, hidden, a.InputBias),
                weights.Linear(prefix + "v_proj", keys, hidden, a.InputBias),
                weights.Linear(prefix + "o_proj", hidden, queries, a.OutputBias));
        }

        GatedMlp Mlp(string prefix)
        {
            int hidden = description.HiddenSize;
            int intermediate = description.Mlp.IntermediateSize;
            return new GatedMlp(
                weights.Linear(prefix + "gate_proj", intermediate, hidden, description.Mlp.Bias),
                weights.Linear(prefix + "up_proj", intermediate, hidden, description.Mlp.Bias),
                weights.Linear(prefix + "down_proj", hidden, intermediate, description.Mlp.Bias));
        }
    }
}

using System.Runtime.InteropServices;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Benchmarks.EndToEnd;

/// <summary>A checkpoint of random weights at the shape of Llama-3.2-1B, its vocabulary cut to 32,000 and its head apart from its embedding: what bench/peers/make_gguf.cpp writes for llama.cpp.</summary>
internal static class RandomCheckpoint
{
    private const int Width = 2048, Layers = 16, Heads = 32, KeyValueHeads = 8, FeedForward = 8192, Vocabulary = 32000;
    private const int KeyValueWidth = Width / Heads * KeyValueHeads;
    private const int PoolSize = 1 << 22;

    private const string Configuration = """
        {
          "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "hidden_act": "silu",
          "vocab_size": 32000, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
          "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131072,
          "rope_theta": 500000.0, "rms_norm_eps": 1e-05, "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2
        }
        """;

    /// <summary>Writes the folder, unless it is there.</summary>
    public static void Make(string folder)
    {
        if (File.Exists(Path.Combine(folder, "config.json")))
        {
            return;
        }
        Directory.CreateDirectory(folder);
        using (SafetensorsWriter writer = new(Path.Combine(folder, "model.safetensors")))
        {
            (string Name, long[] Shape)[] tensors = [.. Tensors()];
            foreach ((string name, long[] shape) in tensors)
            {
                writer.Declare(name, "BF16", shape);
            }
            ushort[] pool = NormalPool();
            var random = new Random(2);
            foreach ((string name, long[] shape) in tensors)
            {
                Write(writer, name, shape, pool, random);
            }
            writer.Commit();
        }
        File.WriteAllText(Path.Combine(folder, "config.json"), Configuration);
    }

    private static IEnumerable<(string Name, long[] Shape)> Tensors()
    {
        yield return ("model.embed_tokens.weight", [Vocabulary, Width]);
        for (int i = 0; i < Layers; i++)
        {
            string layer = $"model.layers.{i}.";
            yield return (layer + "input_layernorm.weight", [Width]);
            yield return (layer + "self_attn.q_proj.weight", [Width, Width]);
            yield return (layer + "self_attn.k_proj.weight", [KeyValueWidth, Width]);
            yield return (layer + "self_attn.v_proj.weight", [KeyValueWidth, Width]);
            yield return (layer + "self_attn.o_proj.weight", [Width, Width]);
            yield return (layer + "post_attention_layernorm.weight", [Width]);
            yield return (layer + "mlp.gate_proj.weight", [FeedForward, Width]);
            yield return (layer + "mlp.up_proj.weight", [FeedForward, Width]);
            yield return (layer + "mlp.down_proj.weight", [Width, FeedForward]);
        }
        yield return ("model.norm.weight", [Width]);
        yield return ("lm_head.weight", [Vocabulary, Width]);
    }

    // Normal numbers of deviation 0.02, cut to bfloat16.
    private static ushort[] NormalPool()
    {
        var random = new Random(1);
        ushort[] pool = new ushort[PoolSize];
        for (int i = 0; i < pool.Length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            pool[i] = Bfloat16((float)(0.02 * radius * Math.Cos(2 * Math.PI * random.NextDouble())));
        }
        return pool;
    }

    // Gains of norms are 1; a matrix is pieces of the pool.
    private static void Write(SafetensorsWriter writer, string name, long[] shape, ushort[] pool, Random random)
    {
        long left = shape.Aggregate(1L, static (product, size) => product * size);
        if (shape.Length == 1)
        {
            writer.Write(name, MemoryMarshal.AsBytes<ushort>([.. Enumerable.Repeat(Bfloat16(1), (int)left)]));
            return;
        }
        while (left > 0)
        {
            int start = random.Next(pool.Length / 2);
            int count = (int)Math.Min(left, pool.Length - start);
            writer.Write(name, MemoryMarshal.AsBytes<ushort>(pool.AsSpan(start, count)));
            left -= count;
        }
    }

    private static ushort Bfloat16(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
}

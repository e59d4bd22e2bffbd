using System.Globalization;
using System.Runtime.InteropServices;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models.Tests;

// The shape of a small random model.
internal sealed record SyntheticShape
{
    public string Architecture { get; init; } = "LlamaForCausalLM";

    public string ModelType { get; init; } = "llama";

    public int Vocabulary { get; init; } = 96;

    public int Hidden { get; init; } = 64;

    public int Layers { get; init; } = 2;

    public int Heads { get; init; } = 4;

    public int KeyValueHeads { get; init; } = 2;

    public int HeadDim { get; init; } = 16;

    public int Intermediate { get; init; } = 112;

    public int Context { get; init; } = 256;

    public double Theta { get; init; } = 10000;

    public bool InputBias { get; init; }

    public bool OutputBias { get; init; }

    public bool MlpBias { get; init; }

    public bool Tied { get; init; }

    public int? Window { get; init; }

    public string ElementType { get; init; } = "F32";

    public int Shards { get; init; } = 1;

    // Further members of config.json, each followed by a comma.
    public string Extra { get; init; } = "";
}

// A model folder with random weights, and the same weights in memory.
internal sealed class SyntheticModel : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Random _random = new(20261122);

    public SyntheticModel(SyntheticShape shape, bool write = true)
    {
        Shape = shape;
        MakeWeights();
        if (write)
        {
            Write();
        }
    }

    public SyntheticShape Shape { get; }

    public string Folder => _folder.Path;

    // Values as the file holds them, after rounding to its element type. May be changed before Write.
    public Dictionary<string, float[]> Weights { get; } = [];

    public Dictionary<string, long[]> Shapes { get; } = [];

    public static int[] Ids(int count, int vocabulary, int seed = 7)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];
    }

    public void Write()
    {
        File.WriteAllText(_folder.Combine("config.json"), Config());
        string[] names = [.. Weights.Keys.Order(StringComparer.Ordinal)];
        if (Shape.Shards == 1)
        {
            WriteFile("model.safetensors", names);
            return;
        }
        List<string> map = [];
        for (int shard = 0; shard < Shape.Shards; shard++)
        {
            string file = string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:d5}-of-{Shape.Shards:d5}.safetensors");
            string[] part = [.. names.Where((_, i) => i % Shape.Shards == shard)];
            WriteFile(file, part);
            map.AddRange(part.Select(name => $"\"{name}\": \"{file}\""));
        }
        File.WriteAllText(_folder.Combine("model.safetensors.index.json"), $"{{\"metadata\": {{}}, \"weight_map\": {{{string.Join(", ", map)}}}}}");
    }

    public void Dispose() => _folder.Dispose();

    private string Config() => string.Create(CultureInfo.InvariantCulture, $$"""
        { "architectures": ["{{Shape.Architecture}}"], "model_type": "{{Shape.ModelType}}", {{Shape.Extra}}
          "vocab_size": {{Shape.Vocabulary}}, "hidden_size": {{Shape.Hidden}}, "intermediate_size": {{Shape.Intermediate}},
          "num_hidden_layers": {{Shape.Layers}}, "num_attention_heads": {{Shape.Heads}}, "num_key_value_heads": {{Shape.KeyValueHeads}},
          "head_dim": {{Shape.HeadDim}}, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": {{Shape.Theta}},
          "max_position_embeddings": {{Shape.Context}}, "attention_bias": {{(Shape.OutputBias ? "true" : "false")}},
          "mlp_bias": {{(Shape.MlpBias ? "true" : "false")}}, "tie_word_embeddings": {{(Shape.Tied ? "true" : "false")}},
          "sliding_window": {{(Shape.Window is int window ? window : "null")}}, "bos_token_id": 1, "eos_token_id": 2 }
        """);

    private void MakeWeights()
    {
        int hidden = Shape.Hidden;
        int queries = Shape.Heads * Shape.HeadDim;
        int keys = Shape.KeyValueHeads * Shape.HeadDim;
        Add("model.embed_tokens.weight", 1, Shape.Vocabulary, hidden);
        for (int layer = 0; layer < Shape.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            AddNorm(prefix + "input_layernorm.weight");
            AddLinear(prefix + "self_attn.q_proj", queries, hidden, Shape.InputBias);
            AddLinear(prefix + "self_attn.k_proj", keys, hidden, Shape.InputBias);
            AddLinear(prefix + "self_attn.v_proj", keys, hidden, Shape.InputBias);
            AddLinear(prefix + "self_attn.o_proj", hidden, queries, Shape.OutputBias);
            AddNorm(prefix + "post_attention_layernorm.weight");
            AddLinear(prefix + "mlp.gate_proj", Shape.Intermediate, hidden, Shape.MlpBias);
            AddLinear(prefix + "mlp.up_proj", Shape.Intermediate, hidden, Shape.MlpBias);
            AddLinear(prefix + "mlp.down_proj", hidden, Shape.Intermediate, Shape.MlpBias);
        }
        AddNorm("model.norm.weight");
        if (!Shape.Tied)
        {
            AddLinear("lm_head", Shape.Vocabulary, hidden, bias: false);
        }
    }

    private void AddLinear(string module, int rows, int columns, bool bias)
    {
        Add(module + ".weight", 1 / Math.Sqrt(columns), rows, columns);
        if (bias)
        {
            Add(module + ".bias", 0.5, rows);
        }
    }

    private void AddNorm(string name)
    {
        Add(name, 0.2, Shape.Hidden);
        float[] values = Weights[name];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Stored(1 + values[i]);
        }
    }

    private void Add(string name, double deviation, params long[] shape)
    {
        float[] values = new float[shape.Aggregate(1L, (product, dimension) => product * dimension)];
        for (int i = 0; i < values.Length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble()));
            values[i] = Stored((float)(deviation * radius * Math.Cos(2 * Math.PI * _random.NextDouble())));
        }
        Weights[name] = values;
        Shapes[name] = shape;
    }

    private float Stored(float value) => Shape.ElementType switch
    {
        "BF16" => BitConverter.UInt32BitsToSingle((uint)ToBFloat16(value) << 16),
        "F16" => (float)(Half)value,
        _ => value,
    };

    private void WriteFile(string file, string[] names)
    {
        using var writer = new SafetensorsWriter(_folder.Combine(file));
        foreach (string name in names)
        {
            writer.Declare(name, Shape.ElementType, Shapes[name]);
        }
        foreach (string name in names)
        {
            writer.Write(name, Bytes(Weights[name], Shape.ElementType));
        }
        writer.Commit();
    }

    public static byte[] Bytes(float[] values, string elementType) => elementType switch
    {
        "BF16" => MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(values, ToBFloat16)).ToArray(),
        "F16" => MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, value => (Half)value)).ToArray(),
        _ => MemoryMarshal.AsBytes<float>(values).ToArray(),
    };

    // To nearest, ties to even; finite values.
    private static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}

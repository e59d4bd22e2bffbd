using System.Text;
using System.Text.Json;

namespace NativeQuant.Models;

/// <summary>
/// A Hugging Face config.json: the fields that most decoder models share, checked, under their own names in .NET spelling. What only one
/// architecture has is in <see cref="Json"/>. Unknown fields are ignored.
/// </summary>
/// <remarks>Immutable and thread-safe. Where a field may be absent, the default is the one transformers uses for the model type.</remarks>
public sealed record ModelConfig
{
    private const int MostLayers = 1 << 14;
    private const int MostHeads = 1 << 16;
    private const int WidestLayer = 1 << 24;
    private const int LargestVocabulary = 1 << 28;

    // transformers ties the embeddings of a model whose config.json does not say, except where the model's own class says no.
    private static readonly string[] UntiedModelTypes =
    [
        "falcon_mamba", "gpt_neox", "granite", "llama", "mistral", "mixtral", "olmo", "olmo2", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "stablelm",
    ];

    private ModelConfig(JsonElement json) => Json = json;

    /// <summary>The first entry of <c>architectures</c>, e.g. <c>LlamaForCausalLM</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>The model type, e.g. <c>llama</c>; empty if the file has none.</summary>
    public required string ModelType { get; init; }

    /// <summary>Rows of the embedding and of the output head: token ids are below this.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width inside the feed-forward layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int NumHiddenLayers { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Number of key/value heads, a divisor of <see cref="NumAttentionHeads"/>; as many as query heads if the file does not say.</summary>
    public required int NumKeyValueHeads { get; init; }

    /// <summary>Width of one head; <see cref="HiddenSize"/> / <see cref="NumAttentionHeads"/> if the file does not say.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Activation of the feed-forward layer, <c>silu</c> by default.</summary>
    public required string HiddenAct { get; init; }

    /// <summary>What RMSNorm adds to the mean square; 1e-6 by default.</summary>
    public required double RmsNormEps { get; init; }

    /// <summary>Base of the rotary frequencies, 10000 by default.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>How the rotary frequencies are scaled, or null if they are not.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>The longest sequence the model is made for, in tokens; 2048 by default.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary><c>attention_bias</c>, false by default. Model types that fix the biases of their projections (qwen2) do not ask this.</summary>
    public bool AttentionBias { get; init; }

    /// <summary><c>mlp_bias</c>, false by default.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Whether the output head is the embedding matrix. Default: false for llama, mistral, qwen2 and their like, else true.</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>The token that begins a text, or null.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The tokens that end a text; empty if the file names none.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The token that fills up batches, or null.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>
    /// How many positions back, itself included, a token attends to, or null for all. Null too when <c>use_sliding_window</c> is false.
    /// <see cref="AttentionWindow"/> says to which layers it applies.
    /// </summary>
    public int? SlidingWindow { get; init; }

    /// <summary><c>max_window_layers</c>: the sliding window applies from this layer on; null means from the first.</summary>
    public int? MaxWindowLayers { get; init; }

    /// <summary><c>layer_types</c>: <c>full_attention</c> or <c>sliding_attention</c> for each layer, or null in older files.</summary>
    public IReadOnlyList<string>? LayerTypes { get; init; }

    /// <summary>The element type of the weights as the file puts it (<c>bfloat16</c>; under <c>dtype</c> or <c>torch_dtype</c>), or null.</summary>
    public string? TorchDtype { get; init; }

    /// <summary><see cref="TorchDtype"/> as a type of the native library, or null if the file has none or another than float32, float16 and bfloat16.</summary>
    public DataType? DataType => TorchDtype switch
    {
        "float32" => NativeQuant.DataType.Float32,
        "float16" => NativeQuant.DataType.Float16,
        "bfloat16" => NativeQuant.DataType.BFloat16,
        _ => null,
    };

    /// <summary>How the weights of the checkpoint are quantized already (<c>quantization_config</c>), or null if they are not.</summary>
    public QuantizationConfig? Quantization { get; init; }

    /// <summary>The whole file, for fields of one architecture.</summary>
    public JsonElement Json { get; }

    /// <summary>Reads a config.json.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="ConfigurationException">The file cannot be read, or a field is missing, of the wrong type or size, or contradicts another.</exception>
    public static ModelConfig FromFile(string path) => Read(ConfigurationFields.FromFile(path));

    /// <summary>Reads the text of a config.json.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">What stands for the file in messages.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="ConfigurationException">The text is not JSON, or a field is missing, of the wrong type or size, or contradicts another.</exception>
    public static ModelConfig FromJson(string json, string source = "config.json")
    {
        ArgumentNullException.ThrowIfNull(json);
        return Read(ConfigurationFields.Parse(Encoding.UTF8.GetBytes(json), source));
    }

    /// <summary>The attention window of one layer.</summary>
    /// <param name="layer">The layer, from 0.</param>
    /// <returns>How many positions back, itself included, a token attends to, or null for all.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public int? AttentionWindow(int layer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, NumHiddenLayers);
        bool slides = LayerTypes is null ? layer >= (MaxWindowLayers ?? 0) : LayerTypes[layer] == "sliding_attention";
        return slides ? SlidingWindow : null;
    }

    private static ModelConfig Read(ConfigurationFields fields)
    {
        string modelType = fields.String("model_type") ?? "";
        int hiddenSize = fields.RequiredInt32("hidden_size", 1, WidestLayer);
        int heads = fields.RequiredInt32("num_attention_heads", 1, MostHeads);
        int layers = fields.RequiredInt32("num_hidden_layers", 1, MostLayers);
        ConfigurationFields? ropeParameters = fields.Object("rope_parameters");
        bool usesSlidingWindow = fields.Boolean("use_sliding_window") ?? !modelType.StartsWith("qwen", StringComparison.Ordinal);
        return new ModelConfig(fields.Json)
        {
            Architecture = ReadArchitecture(fields),
            ModelType = modelType,
            VocabSize = fields.RequiredInt32("vocab_size", 1, LargestVocabulary),
            HiddenSize = hiddenSize,
            IntermediateSize = fields.RequiredInt32("intermediate_size", 1, WidestLayer),
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            NumKeyValueHeads = ReadKeyValueHeads(fields, heads),
            HeadDim = ReadHeadDim(fields, hiddenSize, heads),
            HiddenAct = fields.String("hidden_act") ?? "silu",
            RmsNormEps = fields.Double("rms_norm_eps", 0, 1) ?? 1e-6,
            RopeTheta = ReadRopeTheta(ropeParameters) ?? ReadRopeTheta(fields) ?? 10000,
            RopeScaling = ReadRopeScaling(fields, ropeParameters),
            MaxPositionEmbeddings = fields.Int32("max_position_embeddings", 1, int.MaxValue) ?? 2048,
            AttentionBias = fields.Boolean("attention_bias") ?? false,
            MlpBias = fields.Boolean("mlp_bias") ?? false,
            TieWordEmbeddings = fields.Boolean("tie_word_embeddings") ?? !UntiedModelTypes.Contains(modelType, StringComparer.Ordinal),
            BosTokenId = fields.TokenId("bos_token_id"),
            EosTokenIds = fields.TokenIds("eos_token_id"),
            PadTokenId = fields.TokenId("pad_token_id"),
            SlidingWindow = usesSlidingWindow ? fields.Int32("sliding_window", 1, int.MaxValue) : null,
            MaxWindowLayers = fields.Int32("max_window_layers", 0, int.MaxValue),
            LayerTypes = ReadLayerTypes(fields, layers),
            TorchDtype = fields.String("dtype") ?? fields.String("torch_dtype"),
            Quantization = ReadQuantization(fields),
        };
    }

    private static string ReadArchitecture(ConfigurationFields fields) =>
        fields.Strings("architectures") is [string architecture, ..]
            ? architecture
            : throw fields.Missing("architectures", "a list with the name of a model class, such as LlamaForCausalLM");

    private static int ReadKeyValueHeads(ConfigurationFields fields, int heads)
    {
        int keyValueHeads = fields.Int32("num_key_value_heads", 1, MostHeads) ?? heads;
        if (heads % keyValueHeads != 0)
        {
            fields.TryGet("num_key_value_heads", out JsonElement got);
            throw fields.Misfit("num_key_value_heads", $"a divisor of num_attention_heads, {heads}", got);
        }
        return keyValueHeads;
    }

    private static int ReadHeadDim(ConfigurationFields fields, int hiddenSize, int heads)
    {
        if (fields.Int32("head_dim", 1, WidestLayer / heads) is { } headDim)
        {
            return headDim;
        }
        fields.TryGet("hidden_size", out JsonElement got);
        return hiddenSize % heads == 0
            ? hiddenSize / heads
            : throw fields.Misfit("hidden_size", $"a multiple of num_attention_heads, {heads}, where head_dim is absent", got);
    }

    private static double? ReadRopeTheta(ConfigurationFields? fields) => fields?.Double("rope_theta", double.Epsilon, 1e15);

    private static RopeScaling? ReadRopeScaling(ConfigurationFields fields, ConfigurationFields? ropeParameters)
    {
        // Models with two kinds of attention keep an object for each kind here; their architecture reads it from the JSON.
        if (ropeParameters is { } parameters && (parameters.TryGet("rope_type", out _) || parameters.TryGet("type", out _)))
        {
            return RopeScaling.Read(parameters);
        }
        return fields.Object("rope_scaling") is { } scaling ? RopeScaling.Read(scaling) : null;
    }

    private static IReadOnlyList<string>? ReadLayerTypes(ConfigurationFields fields, int layers)
    {
        IReadOnlyList<string>? types = fields.Strings("layer_types");
        if (types is not null && types.Count != layers)
        {
            throw fields.Misfit("layer_types", $"{layers} entries, one for each hidden layer", $"{types.Count} entries");
        }
        return types;
    }

    private static QuantizationConfig? ReadQuantization(ConfigurationFields fields)
    {
        const string Name = "quantization_config";
        if (fields.Object(Name) is not { } quantization)
        {
            return null;
        }
        try
        {
            return QuantizationConfig.FromJson(quantization.Json);
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            throw fields.Invalid(Name, "a configuration of bitsandbytes", exception);
        }
    }
}

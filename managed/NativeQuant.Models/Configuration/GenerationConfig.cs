using System.Text;

namespace NativeQuant.Models;

/// <summary>
/// A Hugging Face generation_config.json: how the makers of a model advise to sample from it. A field that the file leaves open is null, or empty.
/// Unknown fields are ignored.
/// </summary>
/// <remarks>Immutable and thread-safe.</remarks>
public sealed record GenerationConfig
{
    private const double Largest = float.MaxValue;

    /// <summary>The configuration that says nothing, for models without the file.</summary>
    public static GenerationConfig Empty { get; } = new();

    /// <summary>The token that begins a text.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>The tokens that end a text.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The token that fills up batches.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Whether to sample; otherwise the most likely token is taken.</summary>
    public bool? DoSample { get; init; }

    /// <summary>What logits are divided by before sampling, at least 0.</summary>
    public double? Temperature { get; init; }

    /// <summary>How many of the most likely tokens are kept; 0 keeps all.</summary>
    public int? TopK { get; init; }

    /// <summary>The most likely tokens are kept until their probabilities sum to this, 0 to 1.</summary>
    public double? TopP { get; init; }

    /// <summary>Tokens less likely than this share of the most likely one are dropped, 0 to 1.</summary>
    public double? MinP { get; init; }

    /// <summary>What the logits of tokens already in the text are divided (if positive) or multiplied by; 1 does nothing.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>The largest number of tokens to generate, prompt not counted.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>The largest number of tokens, prompt counted.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Reads a generation_config.json.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="ConfigurationException">The file cannot be read, or a field is of the wrong type or size.</exception>
    public static GenerationConfig FromFile(string path) => Read(ConfigurationFields.FromFile(path));

    /// <summary>Reads the text of a generation_config.json.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">What stands for the file in messages.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="ConfigurationException">The text is not JSON, or a field is of the wrong type or size.</exception>
    public static GenerationConfig FromJson(string json, string source = "generation_config.json")
    {
        ArgumentNullException.ThrowIfNull(json);
        return Read(ConfigurationFields.Parse(Encoding.UTF8.GetBytes(json), source));
    }

    private static GenerationConfig Read(ConfigurationFields fields) => new()
    {
        BosTokenId = fields.TokenId("bos_token_id"),
        EosTokenIds = fields.TokenIds("eos_token_id"),
        PadTokenId = fields.TokenId("pad_token_id"),
        DoSample = fields.Boolean("do_sample"),
        Temperature = fields.Double("temperature", 0, Largest),
        TopK = fields.Int32("top_k", 0, int.MaxValue),
        TopP = fields.Double("top_p", 0, 1),
        MinP = fields.Double("min_p", 0, 1),
        RepetitionPenalty = fields.Double("repetition_penalty", float.Epsilon, Largest),
        MaxNewTokens = fields.Int32("max_new_tokens", 0, int.MaxValue),
        MaxLength = fields.Int32("max_length", 0, int.MaxValue),
    };
}

namespace NativeQuant.Models;

/// <summary>
/// How tokens are chosen and when generation stops. Names, meanings and the order of the filters are those of transformers:
/// repetition penalty, temperature, top-k, top-p, min-p, then one draw. Immutable.
/// </summary>
/// <remarks>
/// The defaults are those of transformers' <c>GenerationConfig</c> except <see cref="MaxNewTokens"/> (transformers: 20). A model's own
/// recommendations are in <see cref="CausalLM.GenerationConfig"/>; <see cref="FromConfig"/> turns them into options.
/// </remarks>
public sealed record GenerationOptions
{
    /// <summary>Most tokens to generate, at least 1. Default 256.</summary>
    public int MaxNewTokens { get; init; } = 256;

    /// <summary>False (default): the most probable token in every step, the lowest id among equals. True: draw at random.</summary>
    public bool DoSample { get; init; }

    /// <summary>Logits are divided by this before the draw; greater than 0. Default 1. Ignored unless <see cref="DoSample"/>.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Draw only among the k most probable tokens (and those as probable as the k-th); 0: all. Default 50. Ignored unless <see cref="DoSample"/>.</summary>
    public int TopK { get; init; } = 50;

    /// <summary>Draw only among the fewest most probable tokens whose probabilities sum to at least this; in (0, 1], 1: all. Ignored unless <see cref="DoSample"/>.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Draw only among tokens at least this times as probable as the most probable one; in [0, 1], 0: all. Ignored unless <see cref="DoSample"/>.</summary>
    public float MinP { get; init; }

    /// <summary>
    /// For every id already in the session, prompt included, a positive logit is divided by this and a negative one multiplied;
    /// greater than 0, 1: off. Also applies to greedy generation.
    /// </summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Seed of the draws: the same model, prompt, options and seed give the same tokens. Null: a fresh one each time.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Texts that end the generation, compared ordinally and across token boundaries. Needs a tokenizer. None may be empty.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Ids that end the generation. Null (default): those of the model's generation_config.json, else of its config.json. Empty: none.</summary>
    public IReadOnlyList<int>? EosTokenIds { get; init; }

    /// <summary>The options that a model's makers advise; what they leave open has its default.</summary>
    /// <param name="config">Usually <see cref="CausalLM.GenerationConfig"/>.</param>
    /// <returns>The options. A temperature of 0 becomes greedy choice.</returns>
    public static GenerationOptions FromConfig(GenerationConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        GenerationOptions defaults = new();
        return new GenerationOptions
        {
            MaxNewTokens = config.MaxNewTokens is int count and > 0 ? count : defaults.MaxNewTokens,
            DoSample = config.DoSample == true && config.Temperature != 0,
            Temperature = config.Temperature is double temperature and > 0 ? (float)temperature : defaults.Temperature,
            TopK = config.TopK ?? defaults.TopK,
            TopP = config.TopP is double topP and > 0 ? (float)topP : defaults.TopP,
            MinP = (float?)config.MinP ?? defaults.MinP,
            RepetitionPenalty = (float?)config.RepetitionPenalty ?? defaults.RepetitionPenalty,
            EosTokenIds = config.EosTokenIds.Count > 0 ? config.EosTokenIds : null,
        };
    }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is outside its range; the message names it.</exception>
    internal void Validate()
    {
        Require(MaxNewTokens >= 1, nameof(MaxNewTokens), "at least 1", MaxNewTokens);
        Require(float.IsFinite(Temperature) && Temperature > 0, nameof(Temperature), "greater than 0 (for the most probable token set DoSample to false)", Temperature);
        Require(TopK >= 0, nameof(TopK), "0 (off) or more", TopK);
        Require(TopP is > 0 and <= 1, nameof(TopP), "in (0, 1]", TopP);
        Require(MinP is >= 0 and <= 1, nameof(MinP), "in [0, 1]", MinP);
        Require(float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, nameof(RepetitionPenalty), "greater than 0 (1: off)", RepetitionPenalty);
        foreach (string stop in StopStrings)
        {
            Require(!string.IsNullOrEmpty(stop), nameof(StopStrings), "non-empty strings", "an empty one");
        }
    }

    private static void Require(bool condition, string name, string expected, object got)
    {
        if (!condition)
        {
            throw ModelErrors.OptionOutOfRange(nameof(GenerationOptions), name, expected, got);
        }
    }
}

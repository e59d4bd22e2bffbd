using System.CommandLine;
using NativeQuant.Models;

namespace NativeQuant.Cli.Options;

/// <summary>How tokens are chosen, under transformers' names.</summary>
internal sealed class SamplingOptions
{
    private static readonly GenerationOptions Defaults = new();

    private readonly Option<int> _maxNewTokens = Number("--max-new-tokens", "Most tokens to generate.", Defaults.MaxNewTokens);
    private readonly Option<bool> _doSample = new("--do-sample") { Description = "Draw at random; without it the most probable token is taken." };
    private readonly Option<float> _temperature = Number("--temperature", "Divides the logits before the draw.", Defaults.Temperature);
    private readonly Option<int> _topK = Number("--top-k", "Draw among the k most probable tokens; 0: all.", Defaults.TopK);
    private readonly Option<float> _topP = Number("--top-p", "Draw among the fewest tokens whose probabilities sum to this.", Defaults.TopP);
    private readonly Option<float> _minP = Number("--min-p", "Draw among tokens at least this times as probable as the best.", Defaults.MinP);
    private readonly Option<float> _repetitionPenalty = Number("--repetition-penalty", "Greater than 1 discourages tokens already seen.", Defaults.RepetitionPenalty);
    private readonly Option<ulong> _seed = new("--seed") { Description = "Seed of the draws; by default a fresh one.", HelpName = "number" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "Text that ends the generation; may be given several times.", HelpName = "text" };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_maxNewTokens, _doSample, _temperature, _topK, _topP, _minP, _repetitionPenalty, _seed, _stop])
        {
            command.Options.Add(option);
        }
        command.Validators.Add(result =>
        {
            if (result.GetValue(_doSample))
            {
                return;
            }
            foreach (Option option in (Option[])[_temperature, _topK, _topP, _minP, _seed])
            {
                if (result.GetResult(option) is { Implicit: false })
                {
                    result.AddError($"{option.Name} needs --do-sample.");
                }
            }
        });
    }

    public GenerationOptions Read(ParseResult parsed) => new()
    {
        MaxNewTokens = parsed.GetValue(_maxNewTokens),
        DoSample = parsed.GetValue(_doSample),
        Temperature = parsed.GetValue(_temperature),
        TopK = parsed.GetValue(_topK),
        TopP = parsed.GetValue(_topP),
        MinP = parsed.GetValue(_minP),
        RepetitionPenalty = parsed.GetValue(_repetitionPenalty),
        Seed = parsed.GetResult(_seed) is null ? null : parsed.GetValue(_seed),
        StopStrings = parsed.GetValue(_stop) ?? [],
    };

    private static Option<T> Number<T>(string name, string description, T defaultValue) =>
        new(name) { Description = description, HelpName = "number", DefaultValueFactory = _ => defaultValue };
}

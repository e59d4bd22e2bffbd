using System.CommandLine;
using System.CommandLine.Parsing;

namespace NativeQuant.Cli.Options;

/// <summary>How a model is quantized while it loads, under the names that transformers' BitsAndBytesConfig gives.</summary>
internal sealed class QuantizationOptions
{
    private readonly Option<bool> _loadIn8Bit = new("--load-in-8bit") { Description = "LLM.int8(): int8 weights and activations, outlier columns apart." };
    private readonly Option<bool> _loadIn4Bit = new("--load-in-4bit") { Description = "4-bit weights in blocks of 64 with one absmax each." };

    private readonly Option<string> _quantType = new("--bnb-4bit-quant-type")
    {
        Description = "Codebook of --load-in-4bit.",
        HelpName = "fp4|nf4",
        DefaultValueFactory = static _ => "fp4",
    };

    private readonly Option<bool> _doubleQuant = new("--bnb-4bit-use-double-quant") { Description = "Quantize the absmax of --load-in-4bit to 8 bits." };

    private readonly Option<string> _computeDtype = new("--bnb-4bit-compute-dtype")
    {
        Description = "Type through which 4-bit layers compute.",
        HelpName = DataTypeNames.Choices,
        DefaultValueFactory = static _ => "float32",
    };

    private readonly Option<float> _threshold = new("--llm-int8-threshold")
    {
        Description = "Activation columns with a magnitude from this on are outliers of --load-in-8bit; 0: none.",
        HelpName = "number",
        DefaultValueFactory = static _ => 6.0f,
    };

    private readonly Option<string[]> _skipModules = new("--llm-int8-skip-modules")
    {
        Description = "Modules left unquantized, in 8 and in 4 bits; by default the output head.",
        HelpName = "names",
        AllowMultipleArgumentsPerToken = true,
    };

    public void AddTo(Command command)
    {
        _quantType.AcceptOnlyFromAmong("fp4", "nf4");
        _computeDtype.AcceptOnlyFromAmong(DataTypeNames.All);
        _threshold.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<float>() is not >= 0)
            {
                result.AddError("--llm-int8-threshold must be 0 or greater.");
            }
        });
        foreach (Option option in (Option[])[_loadIn8Bit, _loadIn4Bit, _quantType, _doubleQuant, _computeDtype, _threshold, _skipModules])
        {
            command.Options.Add(option);
        }
        command.Validators.Add(Validate);
    }

    /// <summary>The configuration asked for; null if none, which leaves it to the model's folder.</summary>
    public QuantizationConfig? Read(ParseResult parsed)
    {
        bool in8Bit = parsed.GetValue(_loadIn8Bit);
        bool in4Bit = parsed.GetValue(_loadIn4Bit);
        if (!in8Bit && !in4Bit)
        {
            return null;
        }
        return new QuantizationConfig
        {
            LoadIn8Bit = in8Bit,
            LoadIn4Bit = in4Bit,
            LlmInt8Threshold = parsed.GetValue(_threshold),
            LlmInt8SkipModules = parsed.GetValue(_skipModules) is { Length: > 0 } modules ? modules : null,
            Bnb4BitQuantType = parsed.GetValue(_quantType) == "nf4" ? QuantType.NF4 : QuantType.FP4,
            Bnb4BitUseDoubleQuant = parsed.GetValue(_doubleQuant),
            Bnb4BitComputeType = DataTypeNames.Parse(parsed.GetRequiredValue(_computeDtype)),
        };
    }

    // An option that would be ignored is a mistake, and so is asking for two widths.
    private void Validate(CommandResult result)
    {
        bool in8Bit = result.GetValue(_loadIn8Bit);
        bool in4Bit = result.GetValue(_loadIn4Bit);
        if (in8Bit && in4Bit)
        {
            result.AddError("--load-in-8bit and --load-in-4bit exclude each other.");
        }
        foreach (Option option in (Option[])[_quantType, _doubleQuant, _computeDtype])
        {
            if (!in4Bit && IsGiven(result, option))
            {
                result.AddError($"{option.Name} needs --load-in-4bit.");
            }
        }
        if (!in8Bit && IsGiven(result, _threshold))
        {
            result.AddError($"{_threshold.Name} needs --load-in-8bit.");
        }
        if (!in8Bit && !in4Bit && IsGiven(result, _skipModules))
        {
            result.AddError($"{_skipModules.Name} needs --load-in-8bit or --load-in-4bit.");
        }
    }

    private static bool IsGiven(CommandResult result, Option option) => result.GetResult(option) is { Implicit: false };
}

using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>
/// What happens to the linear modules of a checkpoint: taken as stored, or quantized while loading. Decided once from config.json, the
/// checkpoint and <see cref="LoadOptions"/>, as transformers decides it.
/// </summary>
internal sealed class QuantizationPlan
{
    private readonly string _folder;
    private readonly QuantizationConfig? _asked;
    private readonly ModuleSelection? _selection;
    private readonly bool _int8Activations;

    private QuantizationPlan(string folder, QuantizationConfig? effective, QuantizationConfig? asked, ModuleSelection? selection, bool int8Activations)
    {
        if (int8Activations && effective is not { LoadIn4Bit: true })
        {
            throw ModelErrors.NoLayersForInt8Activations(folder);
        }
        _folder = folder;
        _asked = asked;
        _selection = selection;
        _int8Activations = int8Activations;
        Effective = effective;
    }

    /// <summary>The configuration that gives compute type and threshold; null for an unquantized model.</summary>
    public QuantizationConfig? Effective { get; }

    /// <exception cref="NotSupportedException">What is asked for exists in bitsandbytes but not here.</exception>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    /// <exception cref="CheckpointException">config.json says the weights are quantized and none is.</exception>
    public static QuantizationPlan Create(Checkpoint checkpoint, QuantizationConfig? stored, QuantizationConfig? asked, bool int8Activations, IReadOnlyList<string> defaultSkipModules)
    {
        if (asked is { LoadIn8Bit: false, LoadIn4Bit: false })
        {
            asked = null;
        }
        Validate(asked);
        bool prequantized = PrequantizedWeights.Any(checkpoint);
        if (prequantized)
        {
            QuantizationConfig effective = stored ?? PrequantizedWeights.InferConfig(checkpoint);
            return new QuantizationPlan(checkpoint.Folder, asked is null ? effective : WithRunTimeSettings(effective, asked), asked, selection: null, int8Activations);
        }
        if (stored is { LoadIn8Bit: true } or { LoadIn4Bit: true })
        {
            Validate(stored);
            throw ModelErrors.NoQuantizedWeights(checkpoint.Folder);
        }
        ModuleSelection? selection = asked is null ? null : new ModuleSelection(asked.LlmInt8SkipModules ?? defaultSkipModules);
        return new QuantizationPlan(checkpoint.Folder, asked, asked, selection, int8Activations);
    }

    /// <summary>Type that 4-bit layers compute in.</summary>
    public DataType ComputeType4Bit => _int8Activations ? DataType.Int8 : Effective!.Bnb4BitComputeType;

    /// <summary>Threshold of 8-bit layers.</summary>
    public float Int8Threshold => (Effective ?? QuantizationConfig.Int8).LlmInt8Threshold;

    /// <summary>Whether this linear module is quantized while loading.</summary>
    public bool Quantizes(string module) => _selection is not null && _selection.Includes(module);

    /// <summary>Refuses a stored quantization other than the one asked for.</summary>
    /// <exception cref="ArgumentException">They differ.</exception>
    public void CheckStored(Matrix stored)
    {
        if (_asked is null)
        {
            return;
        }
        string got = stored is Matrix4Bit matrix ? Name(matrix.QuantType, matrix.NestedBlocksize != 0) : "8 bits";
        string wanted = _asked.LoadIn4Bit ? Name(_asked.Bnb4BitQuantType, _asked.Bnb4BitUseDoubleQuant) : "8 bits";
        if (got != wanted)
        {
            throw ModelErrors.QuantizationConflict(_folder, got, wanted);
        }
    }

    private static string Name(QuantType quantType, bool doubleQuant) => $"4 bits, {BitsAndBytesNames.Of(quantType)}{(doubleQuant ? ", double quantization" : "")}";

    private static void Validate(QuantizationConfig? config)
    {
        if (config is null)
        {
            return;
        }
        if (config.LlmInt8HasFp16Weight)
        {
            throw ModelErrors.UnsupportedQuantization("llm_int8_has_fp16_weight", "it keeps 16-bit weights for training and quantizes them in every step; leave it false for inference, with the same results");
        }
        if (config.LlmInt8EnableFp32CpuOffload)
        {
            throw ModelErrors.UnsupportedQuantization("llm_int8_enable_fp32_cpu_offload", "a model lives on one device; name modules in llm_int8_skip_modules to keep them unquantized");
        }
    }

    private static QuantizationConfig WithRunTimeSettings(QuantizationConfig stored, QuantizationConfig asked) => stored with
    {
        LlmInt8Threshold = asked.LlmInt8Threshold,
        Bnb4BitComputeType = asked.Bnb4BitComputeType,
    };
}

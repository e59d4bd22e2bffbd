using System.Diagnostics;
using NativeQuant.Models.Checkpoints;
using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Models;

/// <summary>Loads a folder: configuration first, then weights, so that what is wrong with the small files shows before any work is done.</summary>
internal static class ModelLoader
{
    public const string ConfigFile = "config.json";
    public const string GenerationConfigFile = "generation_config.json";
    public const string TokenizerFile = "tokenizer.json";
    public const string QuantizationField = "quantization_config";

    public static CausalLM Load(string folder, LoadOptions options, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (options.DataType is not (null or DataType.Float32 or DataType.Float16 or DataType.BFloat16))
        {
            throw ModelErrors.InvalidWeightType(options.DataType.Value);
        }
        GenerationSession.CheckKvCacheType(options.KvCacheType, nameof(options));
        long start = Stopwatch.GetTimestamp();
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        ModelConfig config = ModelConfig.FromFile(Path.Combine(folder, ConfigFile));
        DecoderDescription description = ArchitectureRegistry.Find(config.Architecture).Describe(config);
        QuantizationPlan plan = QuantizationPlan.Create(checkpoint, config.Quantization, options.Quantization, options.Int8Activations, DecoderBuilder.DefaultSkipModules);
        GenerationConfig generationConfig = File.Exists(Path.Combine(folder, GenerationConfigFile))
            ? GenerationConfig.FromFile(Path.Combine(folder, GenerationConfigFile))
            : GenerationConfig.Empty;
        Tokenizer? tokenizer = options.LoadTokenizer && File.Exists(Path.Combine(folder, TokenizerFile))
            ? HfTokenizer.FromFile(Path.Combine(folder, TokenizerFile))
            : null;

        Device device = options.Device ?? Device.Open();
        try
        {
            long deviceBytes = device.AllocatedBytes;
            device.ResetPeakMemory();
            long? processBytes = ProcessMemory.AnonymousBytes();
            using var loader = new WeightLoader(checkpoint, device, plan, options, progress, cancellationToken);
            Decoder decoder = DecoderBuilder.Build(description, loader);
            IReadOnlyList<ModelWeight> weights = loader.Finish();
            device.TrimMemory(); // what quantizing needed, a model that runs does not
            return new CausalLM(new LoadedModel
            {
                Folder = folder,
                Config = config,
                GenerationConfig = generationConfig,
                Quantization = plan.Effective,
                DataType = options.DataType,
                KvCacheType = options.KvCacheType,
                Device = device,
                OwnsDevice = options.Device is null,
                Decoder = decoder,
                Weights = weights,
                Tokenizer = tokenizer,
                Report = new LoadReport
                {
                    Duration = Stopwatch.GetElapsedTime(start),
                    CheckpointBytes = checkpoint.Tensors.Sum(static tensor => tensor.ByteLength),
                    Weights = [.. weights.Select(static weight => weight.Describe())],
                    DeviceBytes = device.AllocatedBytes - deviceBytes,
                    PeakDeviceBytes = device.PeakAllocatedBytes - deviceBytes,
                    PeakProcessBytes = loader.PeakProcessBytes - processBytes,
                },
            });
        }
        catch
        {
            if (options.Device is null)
            {
                device.Dispose();
            }
            else
            {
                device.TrimMemory();
            }
            throw;
        }
    }
}

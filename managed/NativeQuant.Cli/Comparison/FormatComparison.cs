using System.Text;
using NativeQuant.Cli.Commands;
using NativeQuant.Cli.Output;
using NativeQuant.Models;
using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Cli.Comparison;

/// <summary>Loads one model in every format, one after the other, and measures each in the same way.</summary>
internal static class FormatComparison
{
    private static readonly TimeSpan CompilationTime = TimeSpan.FromSeconds(2);

    /// <summary>Measures all formats; only one model is in memory at a time.</summary>
    public static async Task<IReadOnlyList<ComparisonResult>> MeasureAsync(Terminal terminal, Device device, ComparisonSettings settings, CancellationToken cancellationToken)
    {
        List<ComparisonResult> results = [];
        foreach (ComparisonFormat format in ComparisonFormat.All)
        {
            results.Add(await MeasureAsync(terminal, device, format, settings, cancellationToken).ConfigureAwait(false));
            device.TrimMemory();
        }
        return results;
    }

    private static async Task<ComparisonResult> MeasureAsync(Terminal terminal, Device device, ComparisonFormat format, ComparisonSettings settings, CancellationToken cancellationToken)
    {
        using CausalLM model = await LoadAsync(terminal, device, format, settings.Folder, cancellationToken).ConfigureAwait(false);
        if (format.Quantization is null && model.Quantization is not null)
        {
            throw new InvalidDataException($"'{settings.Folder}' is already quantized; compare needs the model that it was made from.");
        }
        Tokenizer tokenizer = model.Tokenizer ?? throw new InvalidDataException($"'{settings.Folder}' has no tokenizer.json, which text needs.");
        IReadOnlyList<int> ids = tokenizer.EncodeToIds(settings.Text, addSpecialTokens: false);
        PerplexityResult perplexity = await TextMeasurement.PerplexityAsync(terminal, $"{format.Name}: perplexity", model, ids, settings.Perplexity, cancellationToken).ConfigureAwait(false);
        Throughput throughput = await Task.Run(() => Throughput.Measure(model, ids, cancellationToken), cancellationToken).ConfigureAwait(false);
        return new ComparisonResult
        {
            Format = format.Name,
            // An unquantized model has no quantized layers; its linear layers cost what its type costs.
            LinearBitsPerParameter = model.Memory.BitsPerQuantizedParameter ?? model.Memory.BitsPerParameter,
            BitsPerParameter = model.Memory.BitsPerParameter,
            WeightBytes = model.Memory.WeightBytes,
            PeakExtraLoadBytes = PeakExtraBytes(model.LoadReport),
            LoadTime = model.LoadReport.Duration,
            Throughput = throughput,
            Perplexity = perplexity.Perplexity,
            Continuation = await ContinueAsync(model, settings, cancellationToken).ConfigureAwait(false),
        };
    }

    // The first load of a process also compiles the loader. Where that is much of the time, the model is loaded again.
    private static async Task<CausalLM> LoadAsync(Terminal terminal, Device device, ComparisonFormat format, string folder, CancellationToken cancellationToken)
    {
        string description = $"{format.Name}: loading";
        CausalLM model = await LoadedModel.LoadAsync(terminal, description, folder, format.ToLoadOptions(device), cancellationToken).ConfigureAwait(false);
        if (format != ComparisonFormat.All[0] || model.LoadReport.Duration > CompilationTime)
        {
            return model;
        }
        model.Dispose();
        return await LoadedModel.LoadAsync(terminal, description, folder, format.ToLoadOptions(device), cancellationToken).ConfigureAwait(false);
    }

    // What the whole process held above the finished model; only what the device held, where the system does not tell.
    private static long PeakExtraBytes(LoadReport report) => Math.Max(report.PeakExtraBytes, (report.PeakProcessBytes ?? 0) - report.DeviceBytes);

    private static async Task<string> ContinueAsync(CausalLM model, ComparisonSettings settings, CancellationToken cancellationToken)
    {
        using GenerationSession session = model.CreateSession();
        StringBuilder text = new();
        GenerationOptions options = new() { MaxNewTokens = settings.ContinuationTokens, EosTokenIds = [] };
        await foreach (GeneratedToken token in session.GenerateAsync(settings.Prompt, options, cancellationToken).ConfigureAwait(false))
        {
            text.Append(token.Text);
        }
        return text.ToString();
    }
}

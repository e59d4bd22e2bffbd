using System.Text.Json;
using NativeQuant.Models;

namespace NativeQuant.Cli.Inspection;

/// <summary>What config.json says a model is; also read for architectures that cannot be run.</summary>
/// <param name="Architecture">First entry of <c>architectures</c>; empty if there is none.</param>
/// <param name="Quantization">The <c>quantization_config</c>; null if there is none.</param>
internal sealed record ModelSummary(string Architecture, QuantizationConfig? Quantization)
{
    /// <summary>Whether a model of this architecture can be loaded.</summary>
    public bool IsSupported => CausalLM.SupportedArchitectures.Contains(Architecture);

    /// <exception cref="FileNotFoundException">The folder has no config.json.</exception>
    /// <exception cref="InvalidDataException">It is not a JSON object.</exception>
    public static ModelSummary Read(string folder)
    {
        string path = Path.Combine(folder, "config.json");
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"'{folder}' is not a model folder: it has no config.json.", path);
        }
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement root = document.RootElement;
            string architecture = root.TryGetProperty("architectures", out JsonElement architectures) && architectures is { ValueKind: JsonValueKind.Array } && architectures.GetArrayLength() > 0
                ? architectures[0].GetString() ?? ""
                : "";
            QuantizationConfig? quantization = root.TryGetProperty("quantization_config", out JsonElement config) && config.ValueKind == JsonValueKind.Object
                ? QuantizationConfig.FromJson(config)
                : null;
            return new ModelSummary(architecture, quantization);
        }
        catch (Exception cause) when (cause is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{path}' is not a model's config.json: {cause.Message}", cause);
        }
    }
}

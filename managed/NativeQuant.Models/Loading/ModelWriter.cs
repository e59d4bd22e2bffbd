using System.Text.Json;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>Writes a model as a folder in the layout of transformers and bitsandbytes.</summary>
internal static class ModelWriter
{
    private const string WeightsFile = "model.safetensors";

    // What save_pretrained leaves beside config.json and the weights.
    private static readonly string[] CompanionFiles =
    [
        ModelLoader.GenerationConfigFile, ModelLoader.TokenizerFile, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json",
    ];

    public static void Write(CausalLM model, string folder, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        using StagedFolder staged = StagedFolder.Create(folder);
        try
        {
            WriteConfig(model, Path.Combine(staged.StagingPath, ModelLoader.ConfigFile));
            foreach (string file in CompanionFiles)
            {
                string source = Path.Combine(model.Folder, file);
                if (File.Exists(source))
                {
                    File.Copy(source, Path.Combine(staged.StagingPath, file));
                }
            }
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw CheckpointErrors.WriteFailed(folder, cause);
        }
        WriteWeights(model, Path.Combine(staged.StagingPath, WeightsFile), progress, cancellationToken);
        staged.Commit();
    }

    /// <summary>The model's own config.json with its quantization, and with the type of the weights if loading changed it.</summary>
    private static void WriteConfig(CausalLM model, string path)
    {
        using FileStream stream = new(path, FileMode.CreateNew);
        using Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true });
        writer.WriteStartObject();
        foreach (JsonProperty property in model.Config.Json.EnumerateObject())
        {
            if (property.Name is "torch_dtype" or "dtype" && model.WeightType is DataType type)
            {
                writer.WriteString(property.Name, BitsAndBytesNames.Of(type));
            }
            else if (property.Name != ModelLoader.QuantizationField)
            {
                property.WriteTo(writer);
            }
        }
        if (model.Quantization is QuantizationConfig quantization)
        {
            writer.WritePropertyName(ModelLoader.QuantizationField);
            quantization.WriteJson(writer);
        }
        writer.WriteEndObject();
    }

    private static void WriteWeights(CausalLM model, string path, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        using SafetensorsWriter writer = new(path);
        WeightExport export = new(writer, (model.Quantization ?? new QuantizationConfig()).Bnb4BitQuantStorage, model.Folder);
        foreach (ModelWeight weight in model.Weights)
        {
            cancellationToken.ThrowIfCancellationRequested();
            export.Declare(weight);
        }
        long totalBytes = model.Memory.WeightBytes;
        long completedBytes = 0;
        for (int i = 0; i < model.Weights.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ModelWeight weight = model.Weights[i];
            export.Write(weight);
            completedBytes += model.LoadReport.Weights[i].StoredBytes;
            progress?.Report(new LoadProgress(completedBytes, totalBytes, i + 1, model.Weights.Count, weight.Name));
        }
        writer.Commit();
    }
}

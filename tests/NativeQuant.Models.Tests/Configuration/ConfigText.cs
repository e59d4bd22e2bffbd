namespace NativeQuant.Models.Tests.Configuration;

/// <summary>The text of a config.json with the required fields: 3 layers, hidden size 128, 8 heads.</summary>
internal static class ConfigText
{
    /// <summary>With fields added or replaced by JSON text, or removed where that is null.</summary>
    public static string With(params (string Field, string? Json)[] fields)
    {
        Dictionary<string, string> all = new()
        {
            ["architectures"] = "[\"LlamaForCausalLM\"]",
            ["model_type"] = "\"llama\"",
            ["vocab_size"] = "64",
            ["hidden_size"] = "128",
            ["intermediate_size"] = "256",
            ["num_hidden_layers"] = "3",
            ["num_attention_heads"] = "8",
        };
        foreach ((string field, string? json) in fields)
        {
            all.Remove(field);
            if (json is not null)
            {
                all[field] = json;
            }
        }
        return $"{{{string.Join(',', all.Select(pair => $"\"{pair.Key}\":{pair.Value}"))}}}";
    }
}

using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models.Tests;

// The sample model with systematic activation outliers and the same function: in every RMSNorm a few hidden channels get their gain
// multiplied by a power of two, and the matching columns of the linears that read the norm are divided by it. In bf16 this is exact.
// The same as samples/models/training/inject_outliers.py with its default factors and seed.
internal sealed class OutlierModel : IDisposable
{
    private static readonly (int Channel, float Factor)[] Outliers = [(191, 128), (128, 128), (241, 32), (118, 32), (36, 32), (8, 32)];

    private readonly TemporaryFolder _folder = new();

    public OutlierModel(string source)
    {
        File.Copy(Path.Combine(source, "config.json"), _folder.Combine("config.json"));
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(_folder.Combine("config.json")));
        Dictionary<string, string> norms = Norms(config.RootElement.GetProperty("num_hidden_layers").GetInt32());
        using Checkpoint checkpoint = Checkpoint.Open(source);
        using var writer = new SafetensorsWriter(_folder.Combine("model.safetensors"));
        foreach (CheckpointTensor tensor in checkpoint.Tensors)
        {
            writer.Declare(tensor.Name, tensor.ElementType, tensor.Shape.ToArray());
        }
        foreach (CheckpointTensor tensor in checkpoint.Tensors)
        {
            writer.Write(tensor.Name, Transform(tensor, norms));
        }
        writer.Commit();
    }

    public string Folder => _folder.Path;

    public void Dispose() => _folder.Dispose();

    // Every norm and every linear that reads one; the value says which of the two it is.
    private static Dictionary<string, string> Norms(int layers)
    {
        Dictionary<string, string> roles = new() { ["model.norm.weight"] = "gain", ["lm_head.weight"] = "reader" };
        for (int i = 0; i < layers; i++)
        {
            string prefix = string.Create(CultureInfo.InvariantCulture, $"model.layers.{i}.");
            roles[prefix + "input_layernorm.weight"] = "gain";
            roles[prefix + "post_attention_layernorm.weight"] = "gain";
            foreach (string reader in new[] { "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj" })
            {
                roles[$"{prefix}{reader}.weight"] = "reader";
            }
        }
        return roles;
    }

    private static byte[] Transform(CheckpointTensor tensor, Dictionary<string, string> roles)
    {
        byte[] bytes = tensor.Bytes.ToArray();
        if (!roles.TryGetValue(tensor.Name, out string? role))
        {
            return bytes;
        }
        Span<ushort> values = MemoryMarshal.Cast<byte, ushort>(bytes.AsSpan());
        int columns = (int)tensor.Shape[^1];
        for (int row = 0; row < values.Length / columns; row++)
        {
            foreach ((int channel, float factor) in Outliers)
            {
                ref ushort value = ref values[row * columns + channel];
                float number = BitConverter.UInt32BitsToSingle((uint)value << 16);
                number = role == "gain" ? number * factor : number / factor;
                value = (ushort)(BitConverter.SingleToUInt32Bits(number) >> 16);
            }
        }
        return bytes;
    }
}

using System.Buffers.Binary;
using System.Text;
using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// A model larger than any machine's memory: its weights file is sparse and takes no disk.
[TestFixture]
public sealed class OutOfMemoryTests
{
    private const long Vocabulary = 1L << 24;
    private const long Hidden = 1L << 16;
    private const long EmbeddingBytes = Vocabulary * Hidden * sizeof(float);

    [Test]
    public void A_model_that_does_not_fit_is_refused_with_the_sizes_and_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        WriteModel(folder);
        using Device device = Device.Open();
        Assert.That(
            () => CausalLM.Load(folder.Path, new LoadOptions { Device = device, Quantization = QuantizationConfig.NF4 }),
            Throws.TypeOf<NativeQuantOutOfMemoryException>().With.Message.Contains($"{EmbeddingBytes}"));
        Assert.That(device.AllocatedBytes, Is.Zero);

        using CausalLM model = CausalLM.Load(Repository.TinyLlama, new LoadOptions { Device = device });
        using GenerationSession session = model.CreateSession();
        Assert.That(session.Generate(new[] { 1, 2, 3 }, new GenerationOptions { MaxNewTokens = 2 }).Count(), Is.GreaterThan(0));
    }

    private static void WriteModel(TemporaryFolder folder)
    {
        File.WriteAllText(folder.Combine("config.json"), $$"""
            {
              "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": {{Vocabulary}}, "hidden_size": {{Hidden}},
              "intermediate_size": 65536, "num_hidden_layers": 1, "num_attention_heads": 512, "hidden_act": "silu", "rms_norm_eps": 1e-5,
              "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2
            }
            """);
        byte[] header = Encoding.UTF8.GetBytes(
            $$"""{ "model.embed_tokens.weight": { "dtype": "F32", "shape": [{{Vocabulary}}, {{Hidden}}], "data_offsets": [0, {{EmbeddingBytes}}] } }""");
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        using FileStream file = File.Create(folder.Combine("model.safetensors"));
        file.Write(length);
        file.Write(header);
        try
        {
            file.SetLength(length.Length + header.Length + EmbeddingBytes);
        }
        catch (Exception cause) when (cause is IOException or ArgumentOutOfRangeException)
        {
            Assert.Ignore($"This file system takes no sparse file of {EmbeddingBytes} bytes: {cause.Message}");
        }
    }
}

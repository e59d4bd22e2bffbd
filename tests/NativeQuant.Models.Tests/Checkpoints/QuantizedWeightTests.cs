using System.Runtime.InteropServices;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

/// <summary>Weights quantized by bitsandbytes itself: read, checked part by part, and written again to the same bytes.</summary>
[TestFixture]
public sealed class QuantizedWeightTests
{
    private const string Module = "model.layers.0.self_attn.q_proj";

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder("nativequant-模型-");

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    private static IEnumerable<TestCaseData> GoldenCheckpoints() => Directory.EnumerateDirectories(TestData.GoldenFolder, "ckpt_*")
        .Order(StringComparer.Ordinal)
        .Select(folder => new TestCaseData(folder).SetArgDisplayNames(Path.GetFileName(folder)));

    [TestCaseSource(nameof(GoldenCheckpoints)), Category("Golden")]
    public void A_checkpoint_of_bitsandbytes_is_written_again_byte_for_byte(string folder)
    {
        using Checkpoint source = Checkpoint.Open(folder);
        string quantStorage = QuantStorage(folder);
        Dictionary<string, NamedTensor> written = new(StringComparer.Ordinal);
        foreach (string module in Modules(source))
        {
            IReadOnlyList<NamedTensor> tensors = QuantizedWeightReader.DetectFormat(source, module) switch
            {
                WeightFormat.FourBit => QuantizedWeightWriter.Tensors(module, QuantizedWeightReader.Read4Bit(source, module), quantStorage),
                WeightFormat.EightBit => Rewrite8Bit(source, module),
                _ => [],
            };
            foreach (NamedTensor tensor in tensors)
            {
                written.Add(tensor.Name, tensor);
            }
        }
        Assert.That(written, Is.Not.Empty);

        // Tensors that are not quantized (biases, norms) are copied; all stand in the order of the original.
        string path = _folder.Combine("model.safetensors");
        using (SafetensorsWriter writer = new(path))
        {
            foreach (CheckpointTensor tensor in source.Tensors)
            {
                if (written.TryGetValue(tensor.Name, out NamedTensor? quantized))
                {
                    writer.Declare(quantized);
                }
                else
                {
                    writer.Declare(tensor.Name, tensor.ElementType, [.. tensor.Shape]);
                }
            }
            foreach (CheckpointTensor tensor in source.Tensors)
            {
                if (written.Remove(tensor.Name, out NamedTensor? quantized))
                {
                    writer.Write(quantized);
                }
                else
                {
                    writer.Write(tensor);
                }
            }
            writer.Commit();
        }

        Assert.That(written, Is.Empty, "no tensor is written that the original lacks");
        Assert.That(File.ReadAllBytes(path).AsSpan().SequenceEqual(File.ReadAllBytes(source.Files[0].Path)), Is.True);
    }

    [TestCaseSource(nameof(GoldenCheckpoints)), Category("Golden")]
    public void The_weights_of_a_checkpoint_of_bitsandbytes_decode_to_the_expected_values(string folder)
    {
        using Checkpoint source = Checkpoint.Open(folder);
        int modules = 0;
        foreach (string module in Modules(source))
        {
            string expectedPath = Path.Combine(folder, $"{module}.expected_f32.bin");
            if (!File.Exists(expectedPath))
            {
                continue;
            }
            modules++;
            float[] expected = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(expectedPath)).ToArray();
            if (QuantizedWeightReader.DetectFormat(source, module) == WeightFormat.FourBit)
            {
                Assert.That(Decode(QuantizedWeightReader.Read4Bit(source, module)), Is.EqualTo(expected), module);
            }
            else
            {
                Assert.That(Decode(QuantizedWeightReader.Read8Bit(source, module)), Is.EqualTo(expected).Within(1).Ulps, module);
            }
        }
        Assert.That(modules, Is.GreaterThan(0));
    }

    [Test]
    public void The_parts_of_a_weight_may_lie_in_several_shards()
    {
        Matrix4BitStorage storage = Nested();
        IReadOnlyList<NamedTensor> tensors = QuantizedWeightWriter.Tensors(Module, storage);
        for (int i = 0; i < tensors.Count; i++)
        {
            WriteFile($"shard-{i}.safetensors", [tensors[i]]);
        }
        File.WriteAllText(
            _folder.Combine("model.safetensors.index.json"),
            $"{{\"weight_map\":{{{string.Join(',', tensors.Select((tensor, i) => $"\"{tensor.Name}\":\"shard-{i}.safetensors\""))}}}}}");

        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Matrix4BitStorage read = QuantizedWeightReader.Read4Bit(checkpoint, Module);

        Assert.Multiple(() =>
        {
            Assert.That(QuantizedWeightReader.DetectFormat(checkpoint, Module), Is.EqualTo(WeightFormat.FourBit));
            Assert.That((read.Rows, read.Columns, read.QuantType, read.DataType), Is.EqualTo((storage.Rows, storage.Columns, storage.QuantType, storage.DataType)));
            Assert.That((read.Blocksize, read.NestedBlocksize, read.NestedOffset), Is.EqualTo((storage.Blocksize, storage.NestedBlocksize, storage.NestedOffset)));
            Assert.That(read.Packed, Is.EqualTo(storage.Packed));
            Assert.That(read.Absmax, Is.Null);
            Assert.That(read.AbsmaxCodes, Is.EqualTo(storage.AbsmaxCodes));
            Assert.That(read.NestedAbsmax, Is.EqualTo(storage.NestedAbsmax));
            Assert.That(read.NestedMap, Is.EqualTo(storage.NestedMap));
        });
    }

    [Test]
    public void A_dense_weight_is_told_from_quantized_ones()
    {
        using Checkpoint checkpoint = Write(NamedTensor.From($"{Module}.weight", "F32", [1, 2], new float[2]));

        Assert.That(QuantizedWeightReader.DetectFormat(checkpoint, Module), Is.EqualTo(WeightFormat.Dense));
        Assert.That(() => QuantizedWeightReader.DetectFormat(checkpoint, "lm_head"), Throws.TypeOf<CheckpointException>().With.Message.Contains("lm_head.weight"));
        Assert.That(() => QuantizedWeightReader.Read4Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>());
        Assert.That(() => QuantizedWeightReader.Read8Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("SCB"));
    }

    [Test]
    public void A_weight_of_odd_size_is_written_and_read()
    {
        Matrix4BitStorage storage = Plain(rows: 3, columns: 23);
        using Checkpoint checkpoint = Write([.. QuantizedWeightWriter.Tensors(Module, storage)]);

        Matrix4BitStorage read = QuantizedWeightReader.Read4Bit(checkpoint, Module);

        Assert.That(read.Packed, Is.EqualTo(storage.Packed).And.Length.EqualTo(35));
        Assert.That(read.Absmax, Is.EqualTo(storage.Absmax).And.Length.EqualTo(2));
    }

    [TestCase("weight", "F32", "35 bytes")]
    [TestCase("weight.absmax", "F32", "F32 [2]")]
    [TestCase("weight.absmax", "F16", "F32 [2]")]
    [TestCase("weight.quant_map", "F32", "F32 [16]")]
    [TestCase("weight.quant_state.bitsandbytes__nf4", "F32", "JSON text")]
    public void A_part_of_another_size_or_type_is_refused(string part, string elementType, string expected)
    {
        using Checkpoint checkpoint = WriteWith(Plain(3, 23), $"{Module}.{part}", name => NamedTensor.From(name, elementType, [3], new byte[elementType == "F32" ? 12 : 6]));

        Assert.That(() => QuantizedWeightReader.Read4Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains($"{Module}.{part}").And.Message.Contains(expected));
    }

    [TestCase("weight.absmax")]
    [TestCase("weight.nested_quant_map")]
    [TestCase("weight.quant_map")]
    [TestCase("weight.quant_state.bitsandbytes__nf4")]
    public void A_missing_part_is_refused(string part)
    {
        using Checkpoint checkpoint = WriteWith(Nested(), $"{Module}.{part}", _ => null);

        Assert.That(() => QuantizedWeightReader.Read4Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains($"{Module}.{part}"));
    }

    [Test]
    public void A_weight_with_absmax_but_without_description_is_refused()
    {
        using Checkpoint checkpoint = WriteWith(Plain(3, 23), $"{Module}.weight.quant_state.bitsandbytes__nf4", _ => null);

        Assert.That(() => QuantizedWeightReader.DetectFormat(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("quant_state"));
    }

    [Test]
    public void Values_that_are_not_finite_are_refused()
    {
        using Checkpoint checkpoint = WriteWith(Plain(3, 23), $"{Module}.weight.absmax", name => NamedTensor.From(name, "F32", [2], new[] { 1, float.NaN }));

        Assert.That(() => QuantizedWeightReader.Read4Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("NaN at 1"));
    }

    [Test]
    public void Another_codebook_is_refused()
    {
        using Checkpoint checkpoint = WriteWith(
            Plain(3, 23), $"{Module}.weight.quant_map", name => NamedTensor.From(name, "F32", [16], Enumerable.Range(0, 16).Select(i => i / 15f).ToArray()));

        Assert.That(() => QuantizedWeightReader.Read4Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("codebook of nf4"));
    }

    [Test]
    public void Two_descriptions_are_refused()
    {
        NamedTensor[] tensors = [.. QuantizedWeightWriter.Tensors(Module, Plain(3, 23))];
        using Checkpoint checkpoint = Write([.. tensors, NamedTensor.From<byte>($"{Module}.weight.quant_state.bitsandbytes__fp4", "U8", [0], [])]);

        Assert.That(() => QuantizedWeightReader.DetectFormat(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("both"));
    }

    [Test]
    public void An_8_bit_weight_is_written_and_read()
    {
        sbyte[] codes = [1, -2, 3, -127, 127, 0];
        using Checkpoint checkpoint = Write([.. QuantizedWeightWriter.Tensors(Module, 2, 3, codes, [1.5f, 2.5f])]);

        Matrix8BitTensors read = QuantizedWeightReader.Read8Bit(checkpoint, Module);

        Assert.That(QuantizedWeightReader.DetectFormat(checkpoint, Module), Is.EqualTo(WeightFormat.EightBit));
        Assert.That((read.Rows, read.Columns), Is.EqualTo((2L, 3L)));
        Assert.That(read.Codes.ToArray(), Is.EqualTo(codes));
        Assert.That(read.RowAbsmax.ToArray(), Is.EqualTo(new[] { 1.5f, 2.5f }));
    }

    [Test]
    public void An_8_bit_weight_needs_its_row_absmax_and_the_row_layout()
    {
        NamedTensor codes = NamedTensor.From($"{Module}.weight", "I8", [2, 3], new sbyte[6]);
        NamedTensor rowAbsmax = NamedTensor.From($"{Module}.SCB", "F32", [2], new float[2]);
        NamedTensor column32 = NamedTensor.From<byte>($"{Module}.weight_format", "U8", [], [1]);

        using (Checkpoint checkpoint = Write(codes))
        {
            Assert.That(() => QuantizedWeightReader.DetectFormat(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("SCB"));
        }
        using (Checkpoint checkpoint = Write(codes, rowAbsmax))
        {
            Assert.That(QuantizedWeightReader.Read8Bit(checkpoint, Module).Rows, Is.EqualTo(2), "the format may be missing");
        }
        using (Checkpoint checkpoint = Write(codes, rowAbsmax, column32))
        {
            Assert.That(() => QuantizedWeightReader.Read8Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("row by row"));
        }
        using (Checkpoint checkpoint = Write(codes, NamedTensor.From($"{Module}.SCB", "F32", [3], new float[3])))
        {
            Assert.That(() => QuantizedWeightReader.Read8Bit(checkpoint, Module), Throws.TypeOf<CheckpointException>().With.Message.Contains("F32 [2]"));
        }
    }

    [Test]
    public void Storage_that_contradicts_itself_is_not_written()
    {
        Matrix4BitStorage good = Plain(3, 23);
        Matrix4BitStorage shortPacked = new()
        {
            Rows = 3,
            Columns = 23,
            QuantType = QuantType.NF4,
            DataType = DataType.Float16,
            Blocksize = 64,
            Packed = new byte[34],
            Absmax = good.Absmax,
        };
        Matrix4BitStorage noAbsmax = new()
        {
            Rows = 3,
            Columns = 23,
            QuantType = QuantType.NF4,
            DataType = DataType.Float16,
            Blocksize = 64,
            Packed = good.Packed,
        };

        Assert.Multiple(() =>
        {
            Assert.That(() => QuantizedWeightWriter.Tensors(Module, shortPacked), Throws.ArgumentException.With.Message.Contains("34"));
            Assert.That(() => QuantizedWeightWriter.Tensors(Module, noAbsmax), Throws.ArgumentException.With.Message.Contains("Absmax"));
            Assert.That(() => QuantizedWeightWriter.Tensors(Module, good, "bfloat16"), Throws.ArgumentException.With.Message.Contains("35"));
            Assert.That(() => QuantizedWeightWriter.Tensors(Module, good, "int4"), Throws.ArgumentException);
            Assert.That(() => QuantizedWeightWriter.Tensors(Module, 2, 3, new sbyte[5], new float[2]), Throws.ArgumentException);
            Assert.That(() => QuantizedWeightWriter.Tensors(Module, 2, 3, new sbyte[6], new float[3]), Throws.ArgumentException);
        });
    }

    private static IEnumerable<string> Modules(Checkpoint checkpoint) => checkpoint.Names
        .Where(name => name.EndsWith(".weight", StringComparison.Ordinal) && checkpoint[name].Shape.Count == 2)
        .Select(name => name[..^".weight".Length]);

    private static string QuantStorage(string folder)
    {
        using System.Text.Json.JsonDocument config = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
        return QuantizationConfig.FromJson(config.RootElement.GetProperty("quantization_config")).Bnb4BitQuantStorage;
    }

    private static IReadOnlyList<NamedTensor> Rewrite8Bit(Checkpoint source, string module)
    {
        Matrix8BitTensors weight = QuantizedWeightReader.Read8Bit(source, module);
        return QuantizedWeightWriter.Tensors(module, weight.Rows, weight.Columns, weight.Codes.ToArray(), weight.RowAbsmax.ToArray());
    }

    // By the definition of the format, one weight after the other.
    private static float[] Decode(Matrix4BitStorage weight)
    {
        Span<float> codebook = stackalloc float[16];
        Codebooks.Codebook4Bit(weight.QuantType, codebook);
        float[] values = new float[weight.Rows * weight.Columns];
        for (int i = 0; i < values.Length; i++)
        {
            int block = i / weight.Blocksize;
            float absmax = weight.NestedBlocksize == 0
                ? weight.Absmax![block]
                : weight.NestedMap![weight.AbsmaxCodes![block]] * weight.NestedAbsmax![block / weight.NestedBlocksize] + weight.NestedOffset;
            int code = i % 2 == 0 ? weight.Packed[i / 2] >> 4 : weight.Packed[i / 2] & 15;
            values[i] = codebook[code] * absmax;
        }
        return values;
    }

    private static float[] Decode(Matrix8BitTensors weight)
    {
        float[] values = new float[weight.Rows * weight.Columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = weight.Codes[i] * weight.RowAbsmax[(int)(i / weight.Columns)] / 127;
        }
        return values;
    }

    private static Matrix4BitStorage Plain(long rows, long columns) => new()
    {
        Rows = rows,
        Columns = columns,
        QuantType = QuantType.NF4,
        DataType = DataType.Float16,
        Blocksize = 64,
        Packed = [.. Enumerable.Range(0, (int)(rows * columns + 1) / 2).Select(i => (byte)(i * 37))],
        Absmax = [.. Enumerable.Range(0, (int)(rows * columns + 63) / 64).Select(i => i + 0.5f)],
    };

    private static Matrix4BitStorage Nested() => new()
    {
        Rows = 4,
        Columns = 64,
        QuantType = QuantType.NF4,
        DataType = DataType.BFloat16,
        Blocksize = 64,
        NestedBlocksize = 256,
        Packed = [.. Enumerable.Range(0, 128).Select(i => (byte)(i * 37))],
        AbsmaxCodes = [1, 2, 3, 4],
        NestedAbsmax = [0.25f],
        NestedMap = [.. Enumerable.Range(0, 256).Select(i => i / 255f)],
        NestedOffset = 0.1f,
    };

    private Checkpoint WriteWith(Matrix4BitStorage storage, string replaced, Func<string, NamedTensor?> replacement) => Write(
        [.. QuantizedWeightWriter.Tensors(Module, storage).Select(tensor => tensor.Name == replaced ? replacement(replaced) : tensor).OfType<NamedTensor>()]);

    private Checkpoint Write(params NamedTensor[] tensors)
    {
        WriteFile("model.safetensors", tensors);
        return Checkpoint.Open(_folder.Path);
    }

    private void WriteFile(string name, NamedTensor[] tensors)
    {
        using SafetensorsWriter writer = new(_folder.Combine(name));
        Array.ForEach(tensors, writer.Declare);
        Array.ForEach(tensors, writer.Write);
        writer.Commit();
    }
}

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace NativeQuant.Tests.Golden;

// Quantized weights as bitsandbytes writes them to a checkpoint: reading is bit-exact, and so is writing back.
internal static class CheckpointCheck
{
    private const string QuantState = ".quant_state.bitsandbytes__";

    public static void Run(GoldenCase golden, DeviceTensors tensors)
    {
        AssertConfig(golden);
        Dictionary<string, (string Type, byte[] Bytes)> checkpoint = ReadSafetensors(golden.FilePath("checkpoint"));
        int compared = 0;
        foreach (string role in golden.Roles)
        {
            int split = role.LastIndexOf(".expected_", StringComparison.Ordinal);
            Assert.That(split, Is.GreaterThan(0), $"{role} is the expected weight of a module");
            GoldenTensor expected = golden[role];
            using Matrix matrix = Import(checkpoint, role[..split], expected.Rows, expected.Columns, tensors.Device);
            TensorView output = tensors.New(expected.DataType, expected.Rows, expected.Columns);
            matrix.Dequantize(output);
            Assert.That(DeviceTensors.Bytes(output), Is.EqualTo(expected.Bytes), role);
            compared++;
        }

        Assert.That(compared, Is.GreaterThan(0));
    }

    private static Matrix Import(Dictionary<string, (string Type, byte[] Bytes)> checkpoint, string module, long rows, long columns, Device device)
    {
        string weight = module + ".weight";
        byte[] packed = checkpoint[weight].Bytes;
        if (checkpoint.TryGetValue(module + ".SCB", out (string Type, byte[] Bytes) scb))
        {
            return Matrix8Bit.Import(
                device, rows, columns, DataType.Float16, MemoryMarshal.Cast<byte, sbyte>(packed), MemoryMarshal.Cast<byte, float>(scb.Bytes));
        }

        string stateKey = checkpoint.Keys.Single(key => key.StartsWith(weight + QuantState, StringComparison.Ordinal));
        using JsonDocument document = JsonDocument.Parse(checkpoint[stateKey].Bytes);
        JsonElement state = document.RootElement;
        Assert.That(state.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt64()), Is.EqualTo(new[] { rows, columns }));
        bool nested = checkpoint.ContainsKey(weight + ".nested_absmax");
        byte[] absmax = checkpoint[weight + ".absmax"].Bytes;
        var storage = new Matrix4BitStorage
        {
            Rows = rows,
            Columns = columns,
            QuantType = state.GetProperty("quant_type").GetString() == "nf4" ? QuantType.NF4 : QuantType.FP4,
            DataType = state.GetProperty("dtype").GetString() switch
            {
                "float32" => DataType.Float32,
                "float16" => DataType.Float16,
                "bfloat16" => DataType.BFloat16,
                var other => throw new InvalidDataException($"unknown dtype {other}"),
            },
            Blocksize = state.GetProperty("blocksize").GetInt32(),
            NestedBlocksize = nested ? state.GetProperty("nested_blocksize").GetInt32() : 0,
            Packed = packed,
            Absmax = nested ? null : Singles(absmax),
            AbsmaxCodes = nested ? absmax : null,
            NestedAbsmax = nested ? Singles(checkpoint[weight + ".nested_absmax"].Bytes) : null,
            NestedMap = nested ? Singles(checkpoint[weight + ".nested_quant_map"].Bytes) : null,
            NestedOffset = nested ? (float)state.GetProperty("nested_offset").GetDouble() : 0,
        };
        Matrix4Bit matrix = Matrix4Bit.Import(device, storage);
        AssertSame(storage, matrix.Export());
        return matrix;
    }

    public static void AssertSame(Matrix4BitStorage expected, Matrix4BitStorage actual)
    {
        Assert.Multiple(() =>
        {
            Assert.That(actual.Rows, Is.EqualTo(expected.Rows));
            Assert.That(actual.Columns, Is.EqualTo(expected.Columns));
            Assert.That(actual.QuantType, Is.EqualTo(expected.QuantType));
            Assert.That(actual.DataType, Is.EqualTo(expected.DataType));
            Assert.That(actual.Blocksize, Is.EqualTo(expected.Blocksize));
            Assert.That(actual.NestedBlocksize, Is.EqualTo(expected.NestedBlocksize));
            Assert.That(actual.Packed, Is.EqualTo(expected.Packed), "packed codes");
            Assert.That(actual.Absmax, Is.EqualTo(expected.Absmax), "absmax");
            Assert.That(actual.AbsmaxCodes, Is.EqualTo(expected.AbsmaxCodes), "codes of the absmax");
            Assert.That(actual.NestedAbsmax, Is.EqualTo(expected.NestedAbsmax), "nested absmax");
            Assert.That(actual.NestedMap, Is.EqualTo(expected.NestedMap), "nested map");
            Assert.That(actual.NestedOffset, Is.EqualTo(expected.NestedOffset), "nested offset");
        });
    }

    // The case's quantization_config reads and writes without loss.
    private static void AssertConfig(GoldenCase golden)
    {
        JsonElement expected = golden.Parameters.GetProperty("quantization_config");
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            QuantizationConfig.FromJson(expected).WriteJson(writer);
        }

        string compact = JsonSerializer.Serialize(expected);
        Assert.That(Encoding.UTF8.GetString(stream.ToArray()), Is.EqualTo(compact));
    }

    // The smallest reader of the format that these small, well-formed files need.
    private static Dictionary<string, (string Type, byte[] Bytes)> ReadSafetensors(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int headerLength = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(file));
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, headerLength));
        return header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__").ToDictionary(
            entry => entry.Name,
            entry =>
            {
                int[] offsets = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt32())];
                return (entry.Value.GetProperty("dtype").GetString()!, file[(8 + headerLength + offsets[0])..(8 + headerLength + offsets[1])]);
            });
    }

    private static float[] Singles(byte[] bytes) => MemoryMarshal.Cast<byte, float>(bytes).ToArray();
}

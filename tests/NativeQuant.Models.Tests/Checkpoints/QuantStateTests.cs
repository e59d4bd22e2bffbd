using System.Text;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

[TestFixture]
public sealed class QuantStateTests
{
    private const string Module = "layer";

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder("nativequant-模型-");

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    // Right column: what Python 3.11 prints for the value.
    [TestCase(0f, "0.0")]
    [TestCase(-0f, "-0.0")]
    [TestCase(1f, "1.0")]
    [TestCase(-2.5f, "-2.5")]
    [TestCase(100f, "100.0")]
    [TestCase(0.1f, "0.10000000149011612")]
    [TestCase(2.5938918590545654f, "2.5938918590545654")]
    [TestCase(0.0001f, "9.999999747378752e-05")]
    [TestCase(0.00010001f, "0.00010001000191550702")]
    [TestCase(1e-7f, "1.0000000116860974e-07")]
    [TestCase(1.1754944e-38f, "1.1754943508222875e-38")]
    [TestCase(1e15f, "999999986991104.0")]
    [TestCase(1e16f, "1.0000000272564224e+16")]
    [TestCase(123456.789f, "123456.7890625")]
    [TestCase(3.4028235e38f, "3.4028234663852886e+38")]
    public void Numbers_print_as_in_Python(float value, string expected) => Assert.That(PythonFloat.Repr(value), Is.EqualTo(expected));

    [TestCase(1e-5, "1e-05")]
    [TestCase(1e22, "1e+22")]
    [TestCase(9999999999999998.0, "9999999999999998.0")]
    [TestCase(1e16, "1e+16")]
    [TestCase(0.0001, "0.0001")]
    [TestCase(5e-324, "5e-324")]
    [TestCase(123456789012345680.0, "1.2345678901234568e+17")]
    public void Doubles_print_as_in_Python(double value, string expected) => Assert.That(PythonFloat.Repr(value), Is.EqualTo(expected));

    [Test]
    public void The_text_is_that_of_json_dumps()
    {
        QuantState plain = new() { QuantType = QuantType.FP4, Blocksize = 64, DataType = DataType.BFloat16, Rows = 96, Columns = 128 };
        QuantState nested = plain with { QuantType = QuantType.NF4, DataType = DataType.Float32, NestedBlocksize = 256, NestedOffset = 2.5938918590545654f };

        Assert.That(plain.ToJson(), Is.EqualTo("""{"quant_type": "fp4", "blocksize": 64, "dtype": "bfloat16", "shape": [96, 128]}"""));
        Assert.That(
            nested.ToJson(),
            Is.EqualTo("""{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [96, 128], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 2.5938918590545654}"""));
    }

    [Test]
    public void Fields_are_read_in_any_order_and_unknown_ones_ignored()
    {
        QuantState state = Read("""{"shape":[2,32],"later":{"x":[1]},"dtype":"float16","quant_type":"nf4","blocksize":32}""");

        Assert.That(state, Is.EqualTo(new QuantState { QuantType = QuantType.NF4, Blocksize = 32, DataType = DataType.Float16, Rows = 2, Columns = 32 }));
    }

    [TestCase("")]
    [TestCase("[]")]
    [TestCase("{")]
    [TestCase("{\"quant_type\": \"fp4\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [2, 32]}")]
    [TestCase("{\"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [2, 32]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"dtype\": \"float16\", \"shape\": [2, 32]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": 0, \"dtype\": \"float16\", \"shape\": [2, 32]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": \"32\", \"dtype\": \"float16\", \"shape\": [2, 32]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": 32, \"dtype\": \"int8\", \"shape\": [2, 32]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": null}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [64]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [2, 4, 8]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [-2, -32]}")]
    [TestCase("{\"quant_type\": \"nf4\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [4294967296, 4294967296]}")]
    [TestCase("{\"quant_type\": \"\\ud800\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [2, 32]}")]
    public void An_invalid_description_is_refused(string json) =>
        Assert.That(() => Read(json), Throws.TypeOf<CheckpointException>().With.Message.Contains("quant_state"));

    [TestCase("\"nested_dtype\": \"float32\", \"nested_offset\": 0.5")]
    [TestCase("\"nested_blocksize\": 256, \"nested_offset\": 0.5")]
    [TestCase("\"nested_blocksize\": 256, \"nested_dtype\": \"float32\"")]
    [TestCase("\"nested_blocksize\": 256, \"nested_dtype\": \"float16\", \"nested_offset\": 0.5")]
    [TestCase("\"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": 1e300")]
    [TestCase("\"nested_blocksize\": 256, \"nested_dtype\": \"float32\", \"nested_offset\": null")]
    public void Nested_statistics_need_all_their_fields(string fields) =>
        Assert.That(
            () => Read("{\"quant_type\": \"nf4\", \"blocksize\": 32, \"dtype\": \"float16\", \"shape\": [2, 32], " + fields + "}", isNested: true),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("nested_"));

    private QuantState Read(string json, bool isNested = false)
    {
        byte[] text = Encoding.UTF8.GetBytes(json);
        List<NamedTensor> tensors =
        [
            NamedTensor.From($"{Module}.weight", "U8", [32, 1], new byte[32]),
            NamedTensor.From($"{Module}.weight.quant_state.bitsandbytes__nf4", "U8", [text.Length], text),
        ];
        if (isNested)
        {
            tensors.Add(NamedTensor.From($"{Module}.weight.nested_absmax", "F32", [1], new float[1]));
        }
        using (SafetensorsWriter writer = new(_folder.Combine("model.safetensors")))
        {
            tensors.ForEach(writer.Declare);
            tensors.ForEach(writer.Write);
            writer.Commit();
        }
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        return QuantizedWeightReader.ReadQuantState(checkpoint, Module);
    }
}

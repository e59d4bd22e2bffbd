using System.Text;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

/// <summary>Files that break the format, one rule each: every one is a CheckpointException that names the file and the fault.</summary>
[TestFixture]
public sealed class HostileSafetensorsTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder("nativequant-模型-");

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(7)]
    public void A_file_shorter_than_the_header_length_is_refused(int length) =>
        AssertRefused(new byte[length], "at least 8 bytes", $"{length} bytes");

    [TestCase(1UL)]
    [TestCase(100_000_000UL)]
    public void A_header_length_beyond_the_file_is_refused(ulong length) =>
        AssertRefused(RawSafetensors.Bytes(length, [], []), "header length", "what is left of the file", $"{length} bytes");

    [TestCase(100_000_001UL)]
    [TestCase(ulong.MaxValue)]
    [TestCase((ulong)long.MaxValue + 1)]
    [TestCase((ulong)long.MaxValue)]
    public void A_header_length_above_100_MB_is_refused_before_anything_is_read(ulong length) =>
        AssertRefused(RawSafetensors.Bytes(length, [], []), "at most 100000000 bytes", $"{length} bytes");

    [Test]
    public void A_header_of_100_MB_of_blanks_is_refused()
    {
        string path = _folder.Combine("blank.safetensors");
        byte[] blanks = new byte[1 << 20];
        blanks.AsSpan().Fill((byte)' ');
        using (FileStream stream = new(path, FileMode.CreateNew))
        {
            stream.Write(BitConverter.GetBytes(100_000_000UL));
            for (long left = 100_000_000; left > 0; left -= blanks.Length)
            {
                stream.Write(blanks.AsSpan(0, (int)Math.Min(left, blanks.Length)));
            }
        }

        Assert.That(() => SafetensorsFile.Open(path), Throws.TypeOf<CheckpointException>().With.Message.Contains("header"));
    }

    [Test]
    public void A_file_that_ends_within_its_data_is_refused()
    {
        byte[] whole = RawSafetensors.Bytes(RawSafetensors.Header(RawSafetensors.Entry("x", "F32", "[4]", 0, 16)), 16);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(_folder.Combine("cut.safetensors"), whole[..length]);
            Assert.That(() => SafetensorsFile.Open(_folder.Combine("cut.safetensors")), Throws.TypeOf<CheckpointException>(), $"cut to {length} bytes");
        }
    }

    [Test]
    public void A_header_that_is_not_UTF8_is_refused() =>
        AssertRefused(RawSafetensors.Bytes(4, [(byte)'{', 0xC3, 0x28, (byte)'}'], []), "UTF-8");

    [TestCase("")]
    [TestCase("{")]
    [TestCase("}")]
    [TestCase("{\"x\"")]
    [TestCase("{\"x\":}")]
    [TestCase("{} {}")]
    [TestCase("{}\0")]
    [TestCase("\uFEFF{}")]
    [TestCase("{/* a comment */}")]
    [TestCase("{\"__metadata__\":{},}")]
    [TestCase("{\"\\ud800\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}")]
    [TestCase("{\"__metadata__\":{\"a\":\"\\udc00\"}}")]
    public void A_header_that_is_not_JSON_is_refused(string header) => AssertRefused(header, 0, "header", "JSON");

    [TestCase("[]", "header", "an array")]
    [TestCase("null", "header", "null")]
    [TestCase("1", "header", "'1'")]
    [TestCase("\"{}\"", "header", "a string")]
    [TestCase("{\"x\":[]}", "tensor 'x'", "an array")]
    [TestCase("{\"x\":null}", "tensor 'x'", "null")]
    [TestCase("{\"x\":5}", "tensor 'x'", "'5'")]
    [TestCase("{\"__metadata__\":[]}", "__metadata__", "an array")]
    [TestCase("{\"__metadata__\":{\"a\":1}}", "__metadata__", "'1'")]
    [TestCase("{\"__metadata__\":{\"a\":{}}}", "__metadata__", "an object")]
    public void A_value_of_the_wrong_kind_is_refused(string header, string what, string got) => AssertRefused(header, 0, what, got);

    [TestCase("{\"x\":{\"shape\":[0],\"data_offsets\":[0,0]}}", "dtype")]
    [TestCase("{\"x\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", "shape")]
    [TestCase("{\"x\":{\"dtype\":\"U8\",\"shape\":[0]}}", "data_offsets")]
    public void A_missing_field_is_refused(string header, string field) => AssertRefused(header, 0, "tensor 'x'", $"'{field}'", "no such field");

    [Test]
    public void A_name_that_stands_twice_is_refused()
    {
        string entry = RawSafetensors.Entry("x", "U8", "[0]", 0, 0);
        AssertRefused(RawSafetensors.Header(entry, entry), 0, "every name once", "'x' twice");
        AssertRefused("""{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0078":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "'x' twice");
        AssertRefused("""{"__metadata__":{},"__metadata__":{}}""", 0, "'__metadata__' twice");
        AssertRefused("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "'a'");
        AssertRefused("""{"x":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}}""", 0, "'shape'");
    }

    [TestCase("\"f32\"", "'f32'")]
    [TestCase("\"\"", "''")]
    [TestCase("\"F128\"", "'F128'")]
    [TestCase("null", "null")]
    [TestCase("3", "'3'")]
    public void An_unknown_dtype_is_refused(string dtype, string got) =>
        AssertRefused("{\"x\":{\"dtype\":" + dtype + ",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "dtype of tensor 'x'", got);

    [TestCase("[-1]", "'-1'")]
    [TestCase("[1.0]", "'1.0'")]
    [TestCase("[1e2]", "'1e2'")]
    [TestCase("[9223372036854775808]", "'9223372036854775808'")]
    [TestCase("[\"1\"]", "a string")]
    [TestCase("[[1]]", "an array")]
    [TestCase("[null]", "null")]
    [TestCase("{}", "an object")]
    [TestCase("7", "'7'")]
    public void A_shape_that_is_no_list_of_natural_numbers_is_refused(string shape, string got) =>
        AssertRefused("{\"x\":{\"dtype\":\"U8\",\"shape\":" + shape + ",\"data_offsets\":[0,0]}}", 0, "shape of tensor 'x'", got);

    [TestCase("U8", "[4294967296,4294967296]")]
    [TestCase("U8", "[4294967296,4294967296,0]")]
    [TestCase("U8", "[9223372036854775807,2]")]
    [TestCase("F32", "[4611686018427387904]")]
    [TestCase("F64", "[2305843009213693952,4]")]
    [TestCase("F4", "[3]")]
    public void A_shape_that_overflows_or_does_not_fill_bytes_is_refused(string elementType, string shape) =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", elementType, shape, 0, 0)), 0, "shape of tensor 'x'", elementType);

    [TestCase("[]")]
    [TestCase("[0]")]
    [TestCase("[0,0,0]")]
    [TestCase("[0,\"0\"]")]
    [TestCase("[-1,0]")]
    [TestCase("[0,18446744073709551616]")]
    public void Offsets_that_are_not_two_natural_numbers_are_refused(string offsets) =>
        AssertRefused("{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":" + offsets + "}}", 0, "data_offsets of tensor 'x'");

    [Test]
    public void Reversed_offsets_are_refused() =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[4]", 4, 0)), 4, "begin ≤ end", "[4, 0]");

    [Test]
    public void Offsets_beyond_the_file_are_refused() =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[5]", 0, 5)), 4, "at most 4", "[0, 5]");

    [Test]
    public void Offsets_at_the_largest_numbers_are_refused() =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[1]", long.MaxValue - 1, long.MaxValue)), 4, "at most 4");

    [TestCase("F32", "[2]", 4)]
    [TestCase("U8", "[2]", 4)]
    [TestCase("U8", "[]", 4)]
    [TestCase("U8", "[0]", 4)]
    public void Offsets_that_misfit_type_and_shape_are_refused(string elementType, string shape, long bytes) =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", elementType, shape, 0, bytes)), (int)bytes, "data_offsets of tensor 'x'", $"{bytes} bytes");

    [Test]
    public void Overlapping_tensors_are_refused() =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[4]", 0, 4), RawSafetensors.Entry("y", "U8", "[4]", 2, 6)), 6, "'y'", "'x'", "overlap");

    [Test]
    public void Two_tensors_with_the_same_bytes_are_refused() =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[4]", 0, 4), RawSafetensors.Entry("y", "U8", "[4]", 0, 4)), 4, "overlap");

    [TestCase(1, 5, 5)]
    [TestCase(0, 4, 5)]
    public void Bytes_that_belong_to_no_tensor_are_refused(long begin, long end, int dataBytes) =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[4]", begin, end)), dataBytes, begin == 0 ? "5 bytes" : "a hole of 1 bytes");

    [Test]
    public void A_hole_between_tensors_is_refused() =>
        AssertRefused(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[1]", 0, 1), RawSafetensors.Entry("y", "U8", "[1]", 3, 4)), 4, "'y'", "a hole of 2 bytes");

    [Test]
    public void Data_without_any_tensor_is_refused() => AssertRefused("{}", 1, "data", "1 bytes");

    [Test]
    public void A_value_that_nests_without_end_is_refused()
    {
        string deep = string.Concat(Enumerable.Repeat("[", 1_000_000));
        AssertRefused($$"""{"x":{"future":{{deep}}""", 0, "header", "JSON");
        AssertRefused(deep, 0, "header");
    }

    [Test]
    public void A_name_of_a_million_control_characters_is_quoted_short_and_printable()
    {
        string name = string.Concat(Enumerable.Repeat("\\u001b", 1_000_000));
        CheckpointException exception = AssertRefused($$"""{"{{name}}":5}""", 0, "\\u001b");
        Assert.That(exception.Message, Has.Length.LessThan(2000).And.None.Matches<char>(char.IsControl));
    }

    private CheckpointException AssertRefused(string header, int dataBytes, params string[] parts) =>
        AssertRefused(RawSafetensors.Bytes(header, dataBytes), parts);

    private CheckpointException AssertRefused(byte[] bytes, params string[] parts)
    {
        string path = _folder.Combine("hostile.safetensors");
        File.WriteAllBytes(path, bytes);
        CheckpointException exception = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path).Dispose())!;
        Assert.That(exception.Path, Is.EqualTo(path));
        foreach (string part in parts)
        {
            Assert.That(exception.Message, Does.Contain(part));
        }
        // Nothing of the file is held open: it can be replaced at once.
        File.WriteAllBytes(path, Encoding.UTF8.GetBytes("x"));
        return exception;
    }
}

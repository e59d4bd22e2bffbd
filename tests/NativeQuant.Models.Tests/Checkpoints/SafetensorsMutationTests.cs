using System.Text;
using FsCheck;
using FsCheck.Fluent;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

/// <summary>Random and mutated files: each either opens to views that can be read to the last byte, or is a CheckpointException.</summary>
[TestFixture]
public sealed class SafetensorsMutationTests
{
    // Fixed, so that a failure repeats; FsCheck prints the shrunk example.
    private static readonly Config Quick = Config.QuickThrowOnFailure.WithMaxTest(400).WithReplay(20261122, 2027);

    private static readonly string[] Tokens =
        ["{", "}", "[", "]", ",", ":", "\"", "0", "4", "-1", "9223372036854775807", "1e3", "null", "\\", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"F32\"", "\"U8\"", "\"a\"", "\"__metadata__\"", " "];

    private static readonly byte[] Valid = RawSafetensors.Bytes(
        $$"""{"__metadata__":{"format":"pt"},{{RawSafetensors.Entry("a", "F32", "[2,2]", 0, 16)}},{{RawSafetensors.Entry("b.é", "U8", "[]", 16, 17)}},{{RawSafetensors.Entry("c", "BF16", "[0,3]", 17, 17)}}}""", 17);

    private TemporaryFolder _folder = null!;

    [OneTimeSetUp]
    public void CreateFolder() => _folder = new TemporaryFolder("nativequant-模型-");

    [OneTimeTearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void Any_bytes_changed_inserted_or_removed()
    {
        Gen<byte[]> mutants =
            from edits in Gen.Choose(1, 4).SelectMany(count => Gen.ArrayOf(Edits(), count))
            select edits.Aggregate(Valid, (bytes, edit) => edit(bytes));
        Prop.ForAll(Arb.From(mutants), OpensOrRefuses).Check(Quick);
    }

    [Test]
    public void Any_sequence_of_the_tokens_of_a_header()
    {
        Gen<byte[]> files =
            from count in Gen.Choose(0, 40)
            from tokens in Gen.ArrayOf(Gen.Elements(Tokens), count)
            from dataBytes in Gen.Choose(0, 20)
            select RawSafetensors.Bytes("{" + string.Concat(tokens), dataBytes);
        Prop.ForAll(Arb.From(files), OpensOrRefuses).Check(Quick);
    }

    [Test]
    public void Any_shapes_types_and_offsets()
    {
        Gen<string> entries =
            from name in Gen.Elements("a", "b", "c", "d")
            from elementType in Gen.Elements("F32", "U8", "BF16", "F4", "I64")
            from rank in Gen.Choose(0, 3)
            from shape in Gen.ArrayOf(Gen.Frequency((8, Gen.Choose(0, 4).Select(d => (long)d)), (1, Gen.Elements(long.MaxValue, 1L << 40, -1L))), rank)
            from begin in Gen.Choose(0, 16)
            from length in Gen.Choose(-1, 16)
            select RawSafetensors.Entry(name, elementType, $"[{string.Join(',', shape)}]", begin, begin + length);
        Gen<byte[]> files =
            from count in Gen.Choose(0, 3)
            from tensors in Gen.ArrayOf(entries, count)
            from dataBytes in Gen.Choose(0, 32)
            select RawSafetensors.Bytes("{" + string.Join(',', tensors) + "}", dataBytes);
        Prop.ForAll(Arb.From(files), OpensOrRefuses).Check(Quick);
    }

    [Test]
    public void Any_tensors_that_the_writer_wrote_come_back()
    {
        Gen<(string Name, long[] Shape, byte[] Data)[]> tensors = Gen.ArrayOf(
            from name in ArbMap.Default.GeneratorFor<NonNull<string>>()
            from shape in Gen.ArrayOf(Gen.Choose(0, 5).Select(d => (long)d)).Where(shape => shape.Length <= 4)
            from seed in Gen.Choose(0, 255)
            select (name.Get, shape, Enumerable.Range(seed, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(i => (byte)i).ToArray()));
        Prop.ForAll(Arb.From(tensors), ComesBack).Check(Quick.WithMaxTest(100));
    }

    private static Gen<Func<byte[], byte[]>> Edits() => Gen.OneOf(
        from at in Gen.Choose(0, Valid.Length - 1)
        from value in Gen.Choose(0, 255)
        select (Func<byte[], byte[]>)(bytes => at < bytes.Length ? [.. bytes[..at], (byte)value, .. bytes[(at + 1)..]] : bytes),
        from at in Gen.Choose(8, Valid.Length - 1)
        from token in Gen.Elements(Tokens)
        select (Func<byte[], byte[]>)(bytes => at < bytes.Length ? WithTrueLength([.. bytes[..at], .. Encoding.UTF8.GetBytes(token), .. bytes[at..]], token.Length) : bytes),
        from at in Gen.Choose(0, Valid.Length - 1)
        from length in Gen.Choose(1, 12)
        select (Func<byte[], byte[]>)(bytes => at < bytes.Length ? [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + length)..]] : bytes));

    // Half of the edits keep the header length right, so that they reach the JSON.
    private static byte[] WithTrueLength(byte[] bytes, int added)
    {
        if (bytes.Length >= 8)
        {
            BitConverter.TryWriteBytes(bytes, BitConverter.ToUInt64(bytes) + (ulong)added);
        }
        return bytes;
    }

    private bool OpensOrRefuses(byte[] bytes)
    {
        string path = _folder.Combine("mutant.safetensors");
        File.WriteAllBytes(path, bytes);
        try
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            long sum = 0;
            foreach (CheckpointTensor tensor in file.Tensors)
            {
                foreach (byte value in tensor.Bytes)
                {
                    sum += value;
                }
            }
            return sum >= 0 && file.Tensors.Sum(tensor => tensor.ByteLength) < bytes.Length;
        }
        catch (CheckpointException exception)
        {
            return exception.Path == path;
        }
    }

    private bool ComesBack((string Name, long[] Shape, byte[] Data)[] tensors)
    {
        (string Name, long[] Shape, byte[] Data)[] unique = [.. tensors.DistinctBy(tensor => tensor.Name).Where(tensor => IsWellFormed(tensor.Name))];
        string path = _folder.Combine("written.safetensors");
        using (SafetensorsWriter writer = new(path))
        {
            foreach ((string name, long[] shape, _) in unique)
            {
                writer.Declare(name, "U8", shape);
            }
            foreach ((string name, _, byte[] data) in unique)
            {
                writer.Write(name, data.AsSpan(0, data.Length / 2));
                writer.Write(name, data.AsSpan(data.Length / 2));
            }
            writer.Commit();
        }
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Tensors.Count == unique.Length
            && unique.All(tensor => file[tensor.Name].Shape.SequenceEqual(tensor.Shape) && file[tensor.Name].Bytes.SequenceEqual(tensor.Data));
    }

    // A lone surrogate has no UTF-8.
    private static bool IsWellFormed(string name) => name == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(name));
}

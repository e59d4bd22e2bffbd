using System.Text;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

[TestFixture]
public sealed class SafetensorsFileTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder("nativequant-模型-");

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void Tensors_have_the_type_shape_and_bytes_of_the_file()
    {
        using SafetensorsFile file = Open(
            $$"""{"__metadata__":{"format":"pt","note":"übung"},{{RawSafetensors.Entry("b", "U8", "[3]", 24, 27)}},{{RawSafetensors.Entry("a", "F32", "[2,3]", 0, 24)}}}""", 27);

        Assert.Multiple(() =>
        {
            Assert.That(file.Metadata, Is.EqualTo(new Dictionary<string, string> { ["format"] = "pt", ["note"] = "übung" }));
            Assert.That(file.Tensors.Select(tensor => tensor.Name), Is.EqualTo(new[] { "a", "b" }), "in the order of the data");
            Assert.That(file["a"].ElementType, Is.EqualTo("F32"));
            Assert.That(file["a"].Shape, Is.EqualTo(new long[] { 2, 3 }));
            Assert.That(file["a"].ElementCount, Is.EqualTo(6));
            Assert.That(file["a"].ByteLength, Is.EqualTo(24));
            Assert.That(file["a"].Bytes.ToArray(), Is.EqualTo(Enumerable.Range(0, 24).Select(i => (byte)i)));
            Assert.That(file["b"].Bytes.ToArray(), Is.EqualTo(new byte[] { 24, 25, 26 }));
            Assert.That(file["a"].ToString(), Is.EqualTo("a F32 [2, 3]"));
            Assert.That(file.TryGet("c", out _), Is.False);
        });
    }

    [Test]
    public void A_missing_tensor_is_an_error_that_names_it()
    {
        using SafetensorsFile file = Open("{}", 0);

        Assert.That(() => file["model.norm.weight"], Throws.TypeOf<CheckpointException>().With.Message.Contains("model.norm.weight").And.Message.Contains(file.Path));
    }

    [Test]
    public void A_scalar_has_no_dimensions_and_one_element()
    {
        using SafetensorsFile file = Open(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[]", 0, 1)), 1);

        Assert.That(file["x"].Shape, Is.Empty);
        Assert.That(file["x"].ElementCount, Is.EqualTo(1));
        HostTensor host = file["x"].AsHostTensor();
        Assert.That((host.Rows, host.Columns), Is.EqualTo((1L, 1L)));
    }

    [Test]
    public void Tensors_without_elements_are_valid_wherever_they_stand()
    {
        using SafetensorsFile file = Open(
            RawSafetensors.Header(RawSafetensors.Entry("first", "F32", "[0]", 0, 0), RawSafetensors.Entry("x", "U8", "[4]", 0, 4), RawSafetensors.Entry("last", "F32", "[3,0,5]", 4, 4)), 4);

        Assert.Multiple(() =>
        {
            Assert.That(file["first"].Bytes.Length, Is.Zero);
            Assert.That(file["last"].Bytes.Length, Is.Zero);
            Assert.That(file["last"].ElementCount, Is.Zero);
            Assert.That(() => file["last"].AsHostTensor(), Throws.TypeOf<CheckpointException>());
        });
    }

    [Test]
    public void A_tensor_may_begin_at_any_byte()
    {
        using SafetensorsFile file = Open(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[1]", 0, 1), RawSafetensors.Entry("y", "F32", "[2]", 1, 9)), 9);

        Assert.That(BitConverter.ToSingle(file["y"].Bytes), Is.EqualTo(BitConverter.ToSingle([1, 2, 3, 4])));
        Assert.That(file["y"].AsHostTensor().Address % 2, Is.Not.EqualTo(file["x"].AsHostTensor().Address % 2));
    }

    [TestCase("[5]", 1, 5)]
    [TestCase("[2,3]", 2, 3)]
    [TestCase("[2,3,4]", 6, 4)]
    public void A_host_tensor_has_the_last_dimension_as_columns(string shape, long rows, long columns)
    {
        using SafetensorsFile file = Open(RawSafetensors.Header(RawSafetensors.Entry("x", "F16", shape, 0, rows * columns * 2)), (int)(rows * columns * 2));

        HostTensor host = file["x"].AsHostTensor();

        Assert.That((host.Rows, host.Columns, host.DataType, host.ByteLength), Is.EqualTo((rows, columns, DataType.Float16, rows * columns * 2)));
    }

    [TestCase("F64", 8)]
    [TestCase("I64", 8)]
    [TestCase("BOOL", 1)]
    [TestCase("F8_E4M3", 1)]
    public void Types_that_no_kernel_reads_open_but_give_no_host_tensor(string elementType, int bytes)
    {
        using SafetensorsFile file = Open(RawSafetensors.Header(RawSafetensors.Entry("x", elementType, "[1]", 0, bytes)), bytes);

        Assert.That(file["x"].DataType, Is.Null);
        Assert.That(() => file["x"].AsHostTensor(), Throws.TypeOf<CheckpointException>().With.Message.Contains(elementType));
    }

    [Test]
    public void Unknown_fields_of_a_tensor_are_skipped()
    {
        using SafetensorsFile file = Open("""{"x":{"future":{"a":[1,{}]},"dtype":"U8","shape":[2],"data_offsets":[0,2]},"__metadata__":null}""", 2);

        Assert.That(file["x"].ByteLength, Is.EqualTo(2));
        Assert.That(file.Metadata, Is.Empty);
    }

    [Test]
    public void A_file_beyond_2_GiB_opens_and_its_last_tensor_is_read()
    {
        // Sparse: takes no room on the disk.
        const long Large = (1L << 31) + 4096;
        string header = RawSafetensors.Header(RawSafetensors.Entry("large", "U8", $"[{Large}]", 0, Large), RawSafetensors.Entry("last", "U8", "[4]", Large, Large + 4));
        string path = _folder.Combine("large.safetensors");
        using (FileStream stream = new(path, FileMode.CreateNew))
        {
            stream.Write(RawSafetensors.Bytes(header, 0));
            stream.Seek(Large, SeekOrigin.Current);
            stream.Write([1, 2, 3, 4]);
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);

        Assert.That(file["last"].Bytes.ToArray(), Is.EqualTo(new byte[] { 1, 2, 3, 4 }));
        Assert.That(file["large"].AsHostTensor().ByteLength, Is.EqualTo(Large));
        Assert.That(() => file["large"].Bytes.Length, Throws.TypeOf<CheckpointException>().With.Message.Contains("2147483647"));
    }

    [Test]
    public void A_tensor_stays_readable_through_its_host_tensor_after_disposal_and_gives_no_new_access()
    {
        SafetensorsFile file = Open(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[3]", 0, 3)), 3);
        CheckpointTensor tensor = file["x"];
        HostTensor host = tensor.AsHostTensor();

        file.Dispose();
        file.Dispose();
        GC.Collect();
        GC.WaitForPendingFinalizers();

        unsafe
        {
            Assert.That(new ReadOnlySpan<byte>((void*)host.Address, 3).ToArray(), Is.EqualTo(new byte[] { 0, 1, 2 }));
        }
        GC.KeepAlive(host.Owner);
        Assert.That(() => tensor.Bytes.Length, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => tensor.AsHostTensor(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Disposing_while_other_threads_read_ends_in_data_or_ObjectDisposedException()
    {
        byte[] bytes = RawSafetensors.Bytes(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[100]", 0, 100)), 100);
        File.WriteAllBytes(_folder.Combine("x.safetensors"), bytes);
        for (int round = 0; round < 50; round++)
        {
            SafetensorsFile file = SafetensorsFile.Open(_folder.Combine("x.safetensors"));
            CheckpointTensor tensor = file["x"];
            Parallel.Invoke(
                () => Read(tensor),
                () => Read(tensor),
                file.Dispose,
                file.Dispose);
        }

        static void Read(CheckpointTensor tensor)
        {
            try
            {
                Assert.That(tensor.Bytes[99], Is.EqualTo(99));
            }
            catch (ObjectDisposedException)
            {
                // As it should be when the other thread was first.
            }
            GC.KeepAlive(tensor);
        }
    }

    [Test]
    public void A_file_that_was_truncated_after_opening_is_an_error_instead_of_the_end_of_the_process()
    {
        using SafetensorsFile file = Open(RawSafetensors.Header(RawSafetensors.Entry("x", "U8", "[20000]", 0, 20000)), 20000);
        Assert.That(file["x"].Bytes[0], Is.Zero);
        using (Microsoft.Win32.SafeHandles.SafeFileHandle handle = OpenForTruncation(file.Path))
        {
            RandomAccess.SetLength(handle, 5000);
        }

        Assert.That(() => file["x"].Bytes.Length, Throws.TypeOf<CheckpointException>().With.Message.Contains("truncated"));
        Assert.That(() => file["x"].AsHostTensor(), Throws.TypeOf<CheckpointException>());
    }

    [Test]
    public void A_file_that_does_not_exist_or_is_a_folder_is_a_CheckpointException()
    {
        Assert.That(() => SafetensorsFile.Open(_folder.Combine("none.safetensors")), Throws.TypeOf<CheckpointException>().With.Message.Contains("none.safetensors"));
        Assert.That(() => SafetensorsFile.Open(_folder.Path), Throws.TypeOf<CheckpointException>());
    }

    // Another program does not ask for the lock that .NET puts on open files.
    private static Microsoft.Win32.SafeHandles.SafeFileHandle OpenForTruncation(string path) =>
        File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);

    private SafetensorsFile Open(string header, int dataBytes)
    {
        string path = _folder.Combine("model.safetensors");
        File.WriteAllBytes(path, RawSafetensors.Bytes(header, dataBytes));
        Assert.That(Encoding.UTF8.GetByteCount(path), Is.GreaterThan(path.Length), "the path is not ASCII");
        return SafetensorsFile.Open(path);
    }
}

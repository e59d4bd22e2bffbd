using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

[TestFixture]
public sealed partial class SafetensorsWriterTests
{
    private const int FileSizeExceeded = 25; // SIGXFSZ

    private TemporaryFolder _folder = null!;
    private string _path = null!;

    [SetUp]
    public void CreateFolder()
    {
        _folder = new TemporaryFolder("nativequant-模型-");
        _path = _folder.Combine("model.safetensors");
    }

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void The_file_is_header_length_padded_header_and_data()
    {
        using (SafetensorsWriter writer = new(_path))
        {
            writer.Declare("é\"", "U8", [2, 1]);
            writer.Declare("empty", "F32", [0]);
            writer.Declare("scalar", "BF16", []);
            writer.Write("é\"", [1]);
            writer.Write("é\"", [2]);
            writer.Write("scalar", [3, 4]);
            writer.Commit();
        }

        byte[] bytes = File.ReadAllBytes(_path);
        int header = BitConverter.ToInt32(bytes);
        Assert.Multiple(() =>
        {
            Assert.That(header % 8, Is.Zero);
            Assert.That(
                Encoding.UTF8.GetString(bytes, 8, header).TrimEnd(' '),
                Is.EqualTo("""{"__metadata__":{"format":"pt"},"é\"":{"dtype":"U8","shape":[2,1],"data_offsets":[0,2]},"empty":{"dtype":"F32","shape":[0],"data_offsets":[2,2]},"scalar":{"dtype":"BF16","shape":[],"data_offsets":[2,4]}}"""));
            Assert.That(bytes[(8 + header)..], Is.EqualTo(new byte[] { 1, 2, 3, 4 }));
            Assert.That(_folder.Entries(), Is.EqualTo(new[] { "model.safetensors" }));
        });
    }

    [Test]
    public void A_file_without_tensors_is_valid()
    {
        using (SafetensorsWriter writer = new(_path))
        {
            writer.Commit();
        }

        using SafetensorsFile file = SafetensorsFile.Open(_path);
        Assert.That(file.Tensors, Is.Empty);
        Assert.That(file.Metadata["format"], Is.EqualTo("pt"));
    }

    [Test]
    public void A_checkpoint_is_copied_tensor_by_tensor_byte_for_byte()
    {
        using Checkpoint source = Checkpoint.Open(Repository.TinyLlama);
        using (SafetensorsWriter writer = new(_path))
        {
            foreach (CheckpointTensor tensor in source.Tensors)
            {
                writer.Declare(tensor.Name, tensor.ElementType, [.. tensor.Shape]);
            }
            foreach (CheckpointTensor tensor in source.Tensors)
            {
                writer.Write(tensor);
                source.Release(tensor);
            }
            writer.Commit();
        }

        using SafetensorsFile copy = SafetensorsFile.Open(_path);
        Assert.That(copy.Tensors.Select(tensor => tensor.ToString()), Is.EqualTo(source.Tensors.Select(tensor => tensor.ToString())));
        Assert.That(copy.Tensors.All(tensor => tensor.Bytes.SequenceEqual(source[tensor.Name].Bytes)), Is.True);
    }

    [Test]
    public void The_file_appears_on_commit_and_replaces_an_older_one()
    {
        File.WriteAllText(_path, "older");
        using SafetensorsWriter writer = new(_path);
        writer.Declare("x", "U8", [1]);
        writer.Write("x", [1]);
        Assert.That(File.ReadAllText(_path), Is.EqualTo("older"));

        writer.Commit();

        using SafetensorsFile file = SafetensorsFile.Open(_path);
        Assert.That(file["x"].Bytes[0], Is.EqualTo(1));
    }

    [Test]
    public void Disposal_without_commit_leaves_nothing()
    {
        SafetensorsWriter writer = new(_path);
        writer.Declare("x", "U8", [2]);
        writer.Write("x", [1]);
        Assert.That(_folder.Entries(), Has.Length.EqualTo(1), "the temporary file");

        writer.Dispose();
        writer.Dispose();

        Assert.That(_folder.Entries(), Is.Empty);
        Assert.That(() => writer.Write("x", [1]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => writer.Commit(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void An_incomplete_file_cannot_be_committed()
    {
        using SafetensorsWriter writer = new(_path);
        writer.Declare("x", "F32", [2]);
        writer.Write("x", [1, 2, 3]);

        Assert.That(writer.Commit, Throws.InvalidOperationException.With.Message.Contains("'x'").And.Message.Contains("3 of 8"));
    }

    [Test]
    public void Tensors_are_written_in_the_declared_order_and_no_further_than_their_end()
    {
        using SafetensorsWriter writer = new(_path);
        writer.Declare("x", "U8", [2]);
        writer.Declare("y", "U8", [2]);

        Assert.That(() => writer.Write("y", [1]), Throws.InvalidOperationException.With.Message.Contains("'x' is"));
        Assert.That(() => writer.Write("z", [1]), Throws.InvalidOperationException);
        Assert.That(() => writer.Write("z", []), Throws.InvalidOperationException);
        Assert.That(() => writer.Write("x", [1, 2, 3]), Throws.ArgumentException.With.Message.Contains("2 bytes left"));
        writer.Write("x", [1, 2]);
        writer.Write("y", [3, 4]);
        Assert.That(() => writer.Write("y", [5]), Throws.InvalidOperationException.With.Message.Contains("all are complete"));
        Assert.That(() => writer.Declare("z", "U8", [1]), Throws.InvalidOperationException);
        writer.Commit();
        Assert.That(writer.Commit, Throws.InvalidOperationException);
        Assert.That(() => writer.Write("y", [5]), Throws.InvalidOperationException);
    }

    [Test]
    public void Invalid_declarations_are_refused()
    {
        using SafetensorsWriter writer = new(_path);
        writer.Declare("x", "U8", [1]);

        Assert.Multiple(() =>
        {
            Assert.That(() => writer.Declare("x", "U8", [1]), Throws.ArgumentException.With.Message.Contains("taken"));
            Assert.That(() => writer.Declare("__metadata__", "U8", [1]), Throws.ArgumentException);
            Assert.That(() => writer.Declare("y", "float32", [1]), Throws.ArgumentException.With.Message.Contains("'float32'"));
            Assert.That(() => writer.Declare("y", "U8", [-1]), Throws.ArgumentException);
            Assert.That(() => writer.Declare("y", "U8", [1L << 62, 4]), Throws.ArgumentException);
            Assert.That(() => writer.Declare("y", "U8", [long.MaxValue]), Throws.ArgumentException);
        });
    }

    [Test]
    public void A_folder_that_does_not_exist_is_a_CheckpointException()
    {
        using SafetensorsWriter writer = new(_folder.Combine(Path.Combine("nowhere", "model.safetensors")));
        writer.Declare("x", "U8", [1]);

        Assert.That(() => writer.Write("x", [1]), Throws.TypeOf<CheckpointException>().With.Message.Contains("nowhere"));
    }

    [Test]
    public void A_file_larger_than_the_disk_fails_at_the_first_byte_and_leaves_nothing()
    {
        // More than any file system holds: the size is reserved when the file is made.
        using SafetensorsWriter writer = new(_path);
        writer.Declare("x", "U8", [1L << 60]);

        Assert.That(() => writer.Write("x", [1]), Throws.TypeOf<CheckpointException>().With.Message.Contains(_path));
        Assert.That(_folder.Entries(), Is.Empty);
    }

    [Test]
    public void A_disk_that_fills_up_while_writing_is_a_CheckpointException_and_leaves_nothing()
    {
        for (int room = 0; room < 400; room += 16)
        {
            using SafetensorsWriter writer = new(_path, (path, _) => new StreamOnFullDisk(path, room));
            writer.Declare("x", "U8", [200]);
            writer.Declare("y", "U8", [200]);

            Assert.That(
                () =>
                {
                    writer.Write("x", new byte[200]);
                    writer.Write("y", new byte[200]);
                    writer.Commit();
                },
                Throws.TypeOf<CheckpointException>().With.Message.Contains("No space left").And.InnerException.TypeOf<IOException>(),
                $"room for {room} bytes");
            Assert.That(_folder.Entries(), Is.Empty, "also before the writer is disposed");
            Assert.That(() => writer.Write("x", [1]), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void A_full_file_system_is_a_CheckpointException_and_leaves_nothing()
    {
        string mount = Directory.CreateDirectory(_folder.Combine("small")).FullName;
        if (!TryRun("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount))
        {
            Assert.Ignore("a file system of limited size cannot be mounted here: needs root");
        }
        try
        {
            using SafetensorsWriter writer = new(Path.Combine(mount, "model.safetensors"));
            writer.Declare("x", "U8", [1 << 20]);
            Assert.That(() => writer.Write("x", new byte[1 << 20]), Throws.TypeOf<CheckpointException>().With.InnerException.InstanceOf<IOException>());
            Assert.That(Directory.EnumerateFileSystemEntries(mount), Is.Empty);
        }
        finally
        {
            Assert.That(TryRun("umount", mount), Is.True);
        }
    }

    [Test]
    public void A_file_beyond_the_size_limit_of_the_process_is_a_CheckpointException()
    {
        // What .NET throws for EFBIG.
        using SafetensorsWriter writer = new(_path, (_, _) => throw new ArgumentOutOfRangeException("value"));
        writer.Declare("x", "U8", [1]);

        Assert.That(() => writer.Write("x", [1]), Throws.TypeOf<CheckpointException>().With.InnerException.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    [Platform("Linux,MacOsX", Reason = "there is no such signal elsewhere")]
    public void The_signal_that_comes_with_it_does_not_end_the_process()
    {
        using SafetensorsWriter writer = new(_path);
        writer.Declare("x", "U8", [2]);
        writer.Write("x", [1]);

        Assert.That(SendSignal(Environment.ProcessId, FileSizeExceeded), Is.Zero);
        Thread.Sleep(100); // the runtime handles signals on a thread of its own; unhandled, this one ends the process meanwhile
        writer.Write("x", [2]);
        writer.Commit();

        Assert.That(File.Exists(_path), Is.True);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);

    private static bool TryRun(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Writes to a real file until it has used up its room, then fails as a full disk does.</summary>
    private sealed class StreamOnFullDisk(string path, int room) : FileStream(path, FileMode.CreateNew)
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            int fits = Math.Min(buffer.Length, room - (int)Position);
            base.Write(buffer[..fits]);
            if (fits < buffer.Length)
            {
                throw new IOException("No space left on device");
            }
        }
    }
}

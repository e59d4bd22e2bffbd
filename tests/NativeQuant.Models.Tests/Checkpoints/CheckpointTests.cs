using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

[TestFixture]
public sealed class CheckpointTests
{
    private const string Index = "model.safetensors.index.json";

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder("nativequant-模型-");

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void A_single_file_gives_its_tensors()
    {
        WriteShard("model.safetensors", "b", "a");

        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);

        Assert.Multiple(() =>
        {
            Assert.That(checkpoint.Folder, Is.EqualTo(_folder.Path));
            Assert.That(checkpoint.Names, Is.EqualTo(new[] { "b", "a" }));
            Assert.That(checkpoint.Tensors.Select(tensor => tensor.Name), Is.EqualTo(new[] { "b", "a" }));
            Assert.That(checkpoint["a"].Bytes.ToArray(), Is.EqualTo(new byte[] { 4, 5, 6, 7 }));
            Assert.That(checkpoint.TryGet("c", out _), Is.False);
            Assert.That(() => checkpoint["c"], Throws.TypeOf<CheckpointException>().With.Message.Contains("'c'"));
        });
    }

    [Test]
    public void The_sample_model_opens()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.TinyLlama);

        Assert.That(checkpoint.Names, Has.Count.EqualTo(57));
        Assert.That(checkpoint["model.embed_tokens.weight"].Shape, Is.EqualTo(new long[] { 2048, 256 }));
        Assert.That(checkpoint["model.embed_tokens.weight"].DataType, Is.EqualTo(DataType.BFloat16));
    }

    [Test]
    public void Shards_give_the_tensors_of_all_files()
    {
        WriteShard("model-00001-of-00002.safetensors", "a", "b");
        WriteShard("model-00002-of-00002.safetensors", "c", "not-in-the-index");
        WriteIndex(("a", "model-00001-of-00002.safetensors"), ("b", "model-00001-of-00002.safetensors"), ("c", "model-00002-of-00002.safetensors"));

        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);

        Assert.That(checkpoint.Names, Is.EqualTo(new[] { "a", "b", "c", "not-in-the-index" }));
        Assert.That(checkpoint.Files, Has.Count.EqualTo(2));
        Assert.That(checkpoint["c"].FilePath, Does.EndWith("model-00002-of-00002.safetensors"));
    }

    [Test]
    public void Shards_may_lie_in_a_sub_folder_and_behind_links()
    {
        Directory.CreateDirectory(_folder.Combine("blobs"));
        WriteShard(Path.Combine("blobs", "0123abcd"), "a");
        File.CreateSymbolicLink(_folder.Combine("linked.safetensors"), Path.Combine("blobs", "0123abcd"));
        WriteShard(Path.Combine("blobs", "b.safetensors"), "b");
        WriteIndex(("a", "linked.safetensors"), ("b", "blobs/b.safetensors"));

        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);

        Assert.That(checkpoint.Names, Is.EquivalentTo(new[] { "a", "b" }));
    }

    [Test]
    public void The_single_file_goes_before_the_index()
    {
        WriteShard("model.safetensors", "a");
        File.WriteAllText(_folder.Combine(Index), "not JSON");

        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);

        Assert.That(checkpoint.Names, Is.EqualTo(new[] { "a" }));
    }

    [Test]
    public void A_folder_that_does_not_exist_is_refused() =>
        Assert.That(() => Checkpoint.Open(_folder.Combine("nowhere")), Throws.TypeOf<CheckpointException>().With.Message.Contains("nowhere"));

    [Test]
    public void A_folder_without_weights_is_refused() =>
        AssertRefused("model.safetensors", "neither");

    [TestCase("pytorch_model.bin")]
    [TestCase("pytorch_model-00001-of-00002.bin")]
    [TestCase("consolidated.00.pth")]
    public void A_folder_with_pickled_weights_only_is_refused_and_told_what_to_do(string name)
    {
        File.WriteAllBytes(_folder.Combine(name), [0x80]);

        AssertRefused(name, "convert the model to safetensors");
    }

    [Test]
    public void A_missing_shard_is_refused()
    {
        WriteShard("one.safetensors", "a");
        WriteIndex(("a", "one.safetensors"), ("b", "two.safetensors"));

        AssertRefused("two.safetensors", "no such file");
    }

    [Test]
    public void A_tensor_that_is_not_in_its_shard_is_refused()
    {
        WriteShard("one.safetensors", "a");
        WriteShard("two.safetensors", "b");
        WriteIndex(("a", "one.safetensors"), ("b", "one.safetensors"), ("c", "two.safetensors"));

        AssertRefused("'b'", "'one.safetensors'");
    }

    [Test]
    public void A_tensor_in_two_shards_is_refused()
    {
        WriteShard("one.safetensors", "a");
        WriteShard("two.safetensors", "b", "a");
        WriteIndex(("a", "one.safetensors"), ("b", "two.safetensors"));

        AssertRefused("'a'", "one.safetensors", "two.safetensors");
    }

    [Test]
    public void A_broken_shard_is_refused_and_named()
    {
        WriteShard("one.safetensors", "a");
        File.WriteAllBytes(_folder.Combine("two.safetensors"), [1, 2, 3]);
        WriteIndex(("a", "one.safetensors"), ("b", "two.safetensors"));

        AssertRefused("two.safetensors", "3 bytes");
    }

    [TestCase("../outside.safetensors")]
    [TestCase("sub/../../outside.safetensors")]
    [TestCase("/etc/passwd")]
    [TestCase("..")]
    [TestCase(".")]
    [TestCase("")]
    [TestCase("..\\\\outside.safetensors")]
    [TestCase("one\\u0000.safetensors")]
    public void A_shard_outside_the_folder_is_refused(string shard)
    {
        File.WriteAllText(_folder.Combine(Index), "{\"weight_map\":{\"a\":\"" + shard + "\"}}");

        AssertRefused("'a'", "inside the model folder");
    }

    [TestCase("")]
    [TestCase("[]")]
    [TestCase("{")]
    [TestCase("{\"metadata\":{}}")]
    [TestCase("{\"weight_map\":[]}")]
    [TestCase("{\"weight_map\":{\"a\":1}}")]
    [TestCase("{\"weight_map\":{\"a\":null}}")]
    [TestCase("{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}")]
    [TestCase("{\"weight_map\":{},\"weight_map\":{}}")]
    [TestCase("{\"weight_map\":{\"\\ud800\":\"x\"}}")]
    [TestCase("{\"weight_map\":{}} x")]
    public void An_invalid_index_is_refused(string json)
    {
        File.WriteAllText(_folder.Combine(Index), json);

        AssertRefused(Index);
    }

    [Test]
    public void A_tensor_of_another_checkpoint_cannot_be_released()
    {
        WriteShard("model.safetensors", "a");
        using Checkpoint one = Checkpoint.Open(_folder.Path);
        using Checkpoint other = Checkpoint.Open(_folder.Path);

        Assert.That(() => one.Release(other["a"]), Throws.ArgumentException);
        Assert.That(() => one.Release(one["a"]), Throws.Nothing, "never read");
    }

    [Test]
    [Platform("Linux", Reason = "releases pages only there")]
    public void A_released_tensor_is_not_resident_and_can_be_read_again()
    {
        const int Length = 32 << 20;
        using (SafetensorsWriter writer = new(_folder.Combine("model.safetensors")))
        {
            writer.Declare("large", "U8", [Length]);
            byte[] data = new byte[Length];
            data.AsSpan().Fill(7);
            writer.Write("large", data);
            writer.Commit();
        }
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        CheckpointTensor tensor = checkpoint["large"];

        Assert.That(tensor.Bytes.Count((byte)7), Is.EqualTo(Length));
        Assert.That(ResidentKilobytes(_folder.Path), Is.GreaterThan(Length / 1024 * 0.9));
        checkpoint.Release(tensor);
        Assert.That(ResidentKilobytes(_folder.Path), Is.LessThan(1024));
        Assert.That(tensor.Bytes.Count((byte)7), Is.EqualTo(Length));
    }

    // What of the files below a folder is resident in this process, by /proc/self/smaps.
    private static long ResidentKilobytes(string folder)
    {
        long sum = 0;
        bool inside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.StartsWith("Rss:", StringComparison.Ordinal))
            {
                sum += inside ? long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) : 0;
            }
            else if (line.IndexOf('-', StringComparison.Ordinal) is > 0 and var dash && dash < line.IndexOf(' ', StringComparison.Ordinal))
            {
                // A mapping's own line begins with its address range; anonymous mappings name no file.
                inside = line.Contains(folder, StringComparison.Ordinal);
            }
        }
        return sum;
    }

    private void AssertRefused(params string[] parts)
    {
        CheckpointException exception = Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.Path).Dispose())!;
        foreach (string part in parts)
        {
            Assert.That(exception.Message, Does.Contain(part));
        }
    }

    // Four bytes for each tensor, counting on.
    private void WriteShard(string name, params string[] tensors)
    {
        string[] entries = [.. tensors.Select((tensor, i) => RawSafetensors.Entry(tensor, "U8", "[4]", 4 * i, 4 * i + 4))];
        File.WriteAllBytes(_folder.Combine(name), RawSafetensors.Bytes(RawSafetensors.Header(entries), 4 * tensors.Length));
    }

    private void WriteIndex(params (string Tensor, string Shard)[] entries) => File.WriteAllText(
        _folder.Combine(Index), $"{{\"metadata\":{{\"total_size\":8}},\"weight_map\":{{{string.Join(',', entries.Select(entry => $"\"{entry.Tensor}\":\"{entry.Shard}\""))}}}}}");
}

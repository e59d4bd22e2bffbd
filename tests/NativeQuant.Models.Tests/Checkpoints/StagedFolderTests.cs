using NativeQuant.Models.Checkpoints;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Checkpoints;

[TestFixture]
public sealed class StagedFolderTests
{
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = new TemporaryFolder("nativequant-模型-");

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void The_folder_appears_on_commit_with_all_its_files()
    {
        string path = _folder.Combine("quantized");
        using (StagedFolder staged = StagedFolder.Create(path))
        {
            File.WriteAllText(Path.Combine(staged.StagingPath, "config.json"), "{}");
            Directory.CreateDirectory(Path.Combine(staged.StagingPath, "sub"));
            Assert.That(Directory.Exists(path), Is.False);
            Assert.That(Path.GetDirectoryName(staged.StagingPath), Is.EqualTo(_folder.Path), "the same file system, so that renaming is enough");

            staged.Commit();

            Assert.That(staged.Commit, Throws.TypeOf<ObjectDisposedException>());
        }

        Assert.That(_folder.Entries(), Is.EquivalentTo(new[] { "quantized", "config.json", "sub" }));
        Assert.That(File.ReadAllText(Path.Combine(path, "config.json")), Is.EqualTo("{}"));
    }

    [Test]
    public void Disposal_without_commit_leaves_nothing()
    {
        using (StagedFolder staged = StagedFolder.Create(_folder.Combine("quantized")))
        {
            File.WriteAllText(Path.Combine(staged.StagingPath, "config.json"), "{}");
        }

        Assert.That(_folder.Entries(), Is.Empty);
    }

    [Test]
    public void Parents_are_made_and_removed_again_without_commit()
    {
        string path = _folder.Combine(Path.Combine("a", "b", "quantized"));
        using (StagedFolder.Create(path))
        {
            Assert.That(Directory.Exists(_folder.Combine(Path.Combine("a", "b"))), Is.True);
        }
        Assert.That(_folder.Entries(), Is.Empty);

        using (StagedFolder staged = StagedFolder.Create(path))
        {
            staged.Commit();
        }
        Assert.That(Directory.Exists(path), Is.True);
    }

    [Test]
    public void An_empty_folder_is_taken_over()
    {
        string path = Directory.CreateDirectory(_folder.Combine("quantized")).FullName;
        using (StagedFolder staged = StagedFolder.Create(path + Path.DirectorySeparatorChar))
        {
            File.WriteAllText(Path.Combine(staged.StagingPath, "config.json"), "{}");
            staged.Commit();
        }

        Assert.That(File.Exists(Path.Combine(path, "config.json")), Is.True);
    }

    [Test]
    public void A_folder_with_files_and_a_file_are_refused_and_stay_as_they_are()
    {
        Directory.CreateDirectory(_folder.Combine("taken"));
        File.WriteAllText(_folder.Combine(Path.Combine("taken", "mine.txt")), "mine");
        File.WriteAllText(_folder.Combine("file"), "mine");

        Assert.That(() => StagedFolder.Create(_folder.Combine("taken")), Throws.TypeOf<CheckpointException>().With.Message.Contains("files in it"));
        Assert.That(() => StagedFolder.Create(_folder.Combine("file")), Throws.TypeOf<CheckpointException>().With.Message.Contains("a file"));
        Assert.That(() => StagedFolder.Create(_folder.Combine(Path.Combine("file", "below"))), Throws.TypeOf<CheckpointException>());
        Assert.That(_folder.Entries(), Has.Length.EqualTo(3));
    }

    [Test]
    public void A_name_that_is_taken_meanwhile_is_refused_on_commit()
    {
        using StagedFolder staged = StagedFolder.Create(_folder.Combine("quantized"));
        Directory.CreateDirectory(_folder.Combine("quantized"));
        File.WriteAllText(_folder.Combine(Path.Combine("quantized", "mine.txt")), "mine");

        Assert.That(staged.Commit, Throws.TypeOf<CheckpointException>());
        staged.Dispose();
        Assert.That(_folder.Entries(), Is.EquivalentTo(new[] { "quantized", "mine.txt" }));
    }
}

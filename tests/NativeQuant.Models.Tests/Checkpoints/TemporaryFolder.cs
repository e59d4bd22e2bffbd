namespace NativeQuant.Models.Tests.Checkpoints;

/// <summary>A folder with a name that is not ASCII, deleted with all in it at the end of a test.</summary>
internal sealed class TemporaryFolder
{
    public TemporaryFolder()
    {
        Path = Directory.CreateDirectory(System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"nativequant-模型-{Guid.NewGuid():N}")).FullName;
    }

    public string Path { get; }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string[] Entries() => [.. Directory.EnumerateFileSystemEntries(Path, "*", new EnumerationOptions { AttributesToSkip = 0, RecurseSubdirectories = true }).Select(entry => System.IO.Path.GetFileName(entry))];

    public void Delete() => Directory.Delete(Path, recursive: true);
}

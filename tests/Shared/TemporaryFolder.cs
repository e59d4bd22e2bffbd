namespace NativeQuant.Testing;

/// <summary>A folder of its own, removed with everything in it at the end.</summary>
internal sealed class TemporaryFolder(string prefix = "nativequant-test-") : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory(prefix).FullName;

    public string Combine(params ReadOnlySpan<string> parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <summary>Writes a file, with the folders above it, and returns its path.</summary>
    public string Write(string name, string text)
    {
        string path = Combine(name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>Names of all files and folders below, hidden ones too.</summary>
    public string[] Entries() => [.. Directory.EnumerateFileSystemEntries(Path, "*", new EnumerationOptions { AttributesToSkip = 0, RecurseSubdirectories = true }).Select(entry => System.IO.Path.GetFileName(entry))];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

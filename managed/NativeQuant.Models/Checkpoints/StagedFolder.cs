namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// A folder that appears complete or not at all. Its files are written to <see cref="StagingPath"/>, a sibling with a temporary name;
/// <see cref="Commit"/> renames that to <see cref="Path"/>, and disposing without commit deletes it.
/// </summary>
/// <remarks>Not thread-safe.</remarks>
public sealed class StagedFolder : IDisposable
{
    private readonly List<string> _createdParents = [];
    private bool _committed;
    private bool _disposed;

    private StagedFolder(string path, string stagingPath)
    {
        Path = path;
        StagingPath = stagingPath;
    }

    /// <summary>The full path of the folder that <see cref="Commit"/> makes.</summary>
    public string Path { get; }

    /// <summary>The full path of the folder to write to until then.</summary>
    public string StagingPath { get; }

    /// <summary>Makes the staging folder, and the parents of it that do not exist.</summary>
    /// <param name="path">The folder to make. It must not exist, or be empty.</param>
    /// <returns>The staged folder.</returns>
    /// <exception cref="CheckpointException">The name is taken, or the parent is not writable.</exception>
    public static StagedFolder Create(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        ThrowIfTaken(full);
        string parent = System.IO.Path.GetDirectoryName(full) ?? throw CheckpointErrors.OutputExists(full, "the root of a file system");
        StagedFolder folder = new(full, System.IO.Path.Combine(parent, $".{Guid.NewGuid():N}.tmp"));
        try
        {
            FileSizeLimit.ReportAsError();
            folder.CreateParents(parent);
            Directory.CreateDirectory(folder.StagingPath);
            return folder;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            folder.Dispose();
            throw CheckpointErrors.WriteFailed(full, exception);
        }
    }

    /// <summary>Gives the folder its name.</summary>
    /// <exception cref="CheckpointException">The name was taken meanwhile, or the folder cannot be renamed.</exception>
    /// <exception cref="ObjectDisposedException">The folder was disposed or committed before.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_disposed || _committed, this);
        ThrowIfTaken(Path);
        try
        {
            if (Directory.Exists(Path))
            {
                // Empty, as was just checked: this fails if it no longer is.
                Directory.Delete(Path, recursive: false);
            }
            Directory.Move(StagingPath, Path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CheckpointErrors.WriteFailed(Path, exception);
        }
        _committed = true;
    }

    /// <summary>Deletes what was written and the parents that were made for it, unless it was committed.</summary>
    public void Dispose()
    {
        if (_disposed || _committed)
        {
            return;
        }
        _disposed = true;
        TryDelete(StagingPath, recursive: true);
        foreach (string parent in _createdParents)
        {
            TryDelete(parent, recursive: false);
        }
    }

    private static void ThrowIfTaken(string path)
    {
        if (File.Exists(path))
        {
            throw CheckpointErrors.OutputExists(path, "a file");
        }
        try
        {
            if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            {
                throw CheckpointErrors.OutputExists(path, "a folder with files in it");
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CheckpointErrors.WriteFailed(path, exception);
        }
    }

    private static void TryDelete(string path, bool recursive)
    {
        try
        {
            Directory.Delete(path, recursive);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Gone already, in use by another, or not ours to delete: the error that led here is the one to report.
        }
    }

    // Innermost first in the list, the order in which they are deleted again.
    private void CreateParents(string parent)
    {
        Stack<string> missing = new();
        for (string? folder = parent; folder is not null && !Directory.Exists(folder); folder = System.IO.Path.GetDirectoryName(folder))
        {
            missing.Push(folder);
        }
        foreach (string folder in missing)
        {
            Directory.CreateDirectory(folder);
            _createdParents.Insert(0, folder);
        }
    }
}

namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// A checkpoint file or folder cannot be used: it is missing, unreadable, truncated, corrupt, contradicts itself, or cannot be written.
/// The message names the file, what was looked at, what was expected and what was found.
/// </summary>
/// <remarks>No other state changes when this is thrown: a file that fails to open is closed again, a file that fails to be written is removed.</remarks>
public sealed class CheckpointException : NativeQuantException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="what">The part of it that was looked at, e.g. <c>data_offsets of tensor 'x'</c>.</param>
    /// <param name="expected">What a valid file has there.</param>
    /// <param name="got">What was found.</param>
    /// <param name="innerException">The cause, if there is one below this.</param>
    public CheckpointException(string path, string what, string expected, string got, Exception? innerException = null)
        : base($"{path}: {what}: expected {expected}, got {got}", innerException!)
    {
        Path = path;
        What = what;
        Expected = expected;
        Got = got;
    }

    /// <summary>The file or folder that cannot be used.</summary>
    public string Path { get; }

    /// <summary>The part of it that was looked at.</summary>
    public string What { get; }

    /// <summary>What a valid checkpoint has there.</summary>
    public string Expected { get; }

    /// <summary>What was found.</summary>
    public string Got { get; }
}

namespace NativeQuant;

/// <summary>
/// The native library could not be loaded. The message says for which runtime identifier, every path that was tried with the loader's own
/// words, which version of the interface is needed and which was found, and what to do.
/// </summary>
public sealed class NativeLibraryLoadException : NativeQuantException
{
    /// <summary>Makes an exception with a general message.</summary>
    public NativeLibraryLoadException()
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">What was tried, what was found, what to do.</param>
    public NativeLibraryLoadException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a cause.</summary>
    /// <param name="message">What was tried, what was found, what to do.</param>
    /// <param name="innerException">The cause.</param>
    public NativeLibraryLoadException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Runtime identifier of this process, such as <c>linux-x64</c>.</summary>
    public string RuntimeIdentifier { get; init; } = "";

    /// <summary>What was tried, in order: one path and what came of it per entry.</summary>
    public IReadOnlyList<string> Attempts { get; init; } = [];
}

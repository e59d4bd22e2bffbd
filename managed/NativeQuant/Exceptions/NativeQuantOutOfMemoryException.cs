namespace NativeQuant;

/// <summary>Device memory could not be had; the message says how much was asked for and how much is there.</summary>
public sealed class NativeQuantOutOfMemoryException : NativeQuantException
{
    /// <summary>Makes an exception with a general message.</summary>
    public NativeQuantOutOfMemoryException()
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    public NativeQuantOutOfMemoryException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a cause.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    /// <param name="innerException">The cause.</param>
    public NativeQuantOutOfMemoryException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

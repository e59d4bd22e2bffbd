namespace NativeQuant;

/// <summary>
/// A device failed so that it cannot be used again in this process, nor can anything that was made on it. Other devices go on; a new process
/// can use it again.
/// </summary>
public sealed class DeviceLostException : NativeQuantException
{
    /// <summary>Makes an exception with a general message.</summary>
    public DeviceLostException()
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    public DeviceLostException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a cause.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    /// <param name="innerException">The cause.</param>
    public DeviceLostException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

namespace NativeQuant;

/// <summary>What went wrong in NativeQuant; the base of its own exceptions. Thrown itself only for a defect in the native library.</summary>
public class NativeQuantException : Exception
{
    /// <summary>Makes an exception with a general message.</summary>
    public NativeQuantException()
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    public NativeQuantException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a cause.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    /// <param name="innerException">The cause.</param>
    public NativeQuantException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

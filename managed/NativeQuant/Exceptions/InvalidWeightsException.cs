namespace NativeQuant;

/// <summary>Data is unusable: a weight is NaN or infinite, or a token id is outside the table. The message names the first offender.</summary>
public sealed class InvalidWeightsException : NativeQuantException
{
    /// <summary>Makes an exception with a general message.</summary>
    public InvalidWeightsException()
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    public InvalidWeightsException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a cause.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    /// <param name="innerException">The cause.</param>
    public InvalidWeightsException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

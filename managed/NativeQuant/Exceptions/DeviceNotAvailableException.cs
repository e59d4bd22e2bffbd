namespace NativeQuant;

/// <summary>A device does not exist here, or its driver or the implementation asked for cannot run on this machine.</summary>
public sealed class DeviceNotAvailableException : NativeQuantException
{
    /// <summary>Makes an exception with a general message.</summary>
    public DeviceNotAvailableException()
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    public DeviceNotAvailableException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a cause.</summary>
    /// <param name="message">What was wrong, what was expected, what was found.</param>
    /// <param name="innerException">The cause.</param>
    public DeviceNotAvailableException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

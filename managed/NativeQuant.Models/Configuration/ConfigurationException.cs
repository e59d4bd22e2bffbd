namespace NativeQuant.Models;

/// <summary>
/// A config.json or generation_config.json cannot be used: it is missing, unreadable, lacks a field, has one of the wrong type or size, or
/// contradicts itself. The message names the file, the field, what was expected and what was found.
/// </summary>
public sealed class ConfigurationException : NativeQuantException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file, or what stands for it when the text came from elsewhere.</param>
    /// <param name="field">The field, dotted when nested, e.g. <c>rope_scaling.factor</c>; empty for the file as a whole.</param>
    /// <param name="expected">What a valid file has there.</param>
    /// <param name="got">What was found.</param>
    /// <param name="innerException">The cause, if there is one below this.</param>
    public ConfigurationException(string path, string field, string expected, string got, Exception? innerException = null)
        : base(field.Length == 0 ? $"{path}: expected {expected}, got {got}" : $"{path}: {field}: expected {expected}, got {got}", innerException!)
    {
        Path = path;
        Field = field;
        Expected = expected;
        Got = got;
    }

    /// <summary>The file, or what stands for it when the text came from elsewhere.</summary>
    public string Path { get; }

    /// <summary>The field, dotted when nested; empty for the file as a whole.</summary>
    public string Field { get; }

    /// <summary>What a valid file has there.</summary>
    public string Expected { get; }

    /// <summary>What was found.</summary>
    public string Got { get; }
}

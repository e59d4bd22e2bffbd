namespace NativeQuant.Models.Tokenizers;

/// <summary>A tokenizer.json (or a file beside it) that is damaged, or that asks for something this library does not support.</summary>
/// <remarks>The message names the file, the place inside it and the problem. Nothing is half loaded when this is thrown.</remarks>
public sealed class TokenizerFormatException : NativeQuantException
{
    /// <summary>Creates the exception with an empty message; the library itself always says what is wrong.</summary>
    public TokenizerFormatException()
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="message">What is wrong.</param>
    public TokenizerFormatException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="innerException">The failure underneath, or null.</param>
    public TokenizerFormatException(string message, Exception? innerException)
        : base(message, innerException!)
    {
    }

    /// <summary>The place inside the file, as a JSON path such as <c>$.model.merges[12]</c>; null where it is the file as a whole.</summary>
    public string? JsonPath { get; init; }

    /// <summary>The kind of component that is not supported (for instance <c>Unigram</c>); null where the file is damaged instead.</summary>
    public string? UnsupportedComponent { get; init; }

    /// <summary>The file, as it was given; null where the tokenizer came from a stream.</summary>
    public string? FilePath { get; init; }

    internal static TokenizerFormatException At(string jsonPath, string problem, Exception? inner = null) =>
        new($"{jsonPath}: {problem}", inner) { JsonPath = jsonPath };

    internal static TokenizerFormatException Expected(string jsonPath, string expected, string got) =>
        At(jsonPath, $"expected {expected}, got {got}");

    internal static TokenizerFormatException Unsupported(string jsonPath, string role, string kind, IEnumerable<string> supported) =>
        new($"{jsonPath}: the {role} '{kind}' is not supported (supported: {string.Join(", ", supported)})")
        {
            JsonPath = jsonPath,
            UnsupportedComponent = kind,
        };

    /// <summary>The same failure with the file named in front; the readers below know only their place in the JSON.</summary>
    internal TokenizerFormatException InFile(string? filePath) =>
        new($"{filePath ?? "tokenizer stream"}: {Message}", InnerException)
        {
            JsonPath = JsonPath,
            UnsupportedComponent = UnsupportedComponent,
            FilePath = filePath,
        };
}

using NativeQuant.Models;
using NativeQuant.Models.Checkpoints;
using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Cli;

/// <summary>Words a failure for a person at a terminal: what is wrong and what to do, in one line; only a library that does not load takes a line per attempt.</summary>
internal static class FailureMessage
{
    public static string Of(Exception failure)
    {
        string message = OneLine(WithoutParameterName(failure));
        return failure switch
        {
            NativeLibraryLoadException => $"{failure.Message}\n'nativequant doctor' shows what this machine offers.",
            DeviceNotAvailableException => $"{Sentence(message)} Use --device cpu; 'nativequant doctor' says what was found.",
            DeviceLostException => message,
            NativeQuantOutOfMemoryException => $"{Sentence(message)} Try fewer bits (--load-in-4bit) or close other programs.",
            InvalidWeightsException or CheckpointException or ConfigurationException or TokenizerFormatException => message,
            UnauthorizedAccessException => $"{Sentence(message)} Check the permissions.",
            IOException or InvalidDataException => message,
            NotSupportedException or ArgumentException or InvalidLogitsException => message,
            _ => $"{failure.GetType().Name}: {Sentence(message)} This is a defect of NativeQuant; --verbose shows where it arose.",
        };
    }

    // ArgumentException appends the name of a C# parameter, which means nothing here.
    private static string WithoutParameterName(Exception failure)
    {
        if (failure is not ArgumentException { ParamName: { } name })
        {
            return failure.Message;
        }
        string suffix = $" (Parameter '{name}')";
        return failure.Message.Replace(suffix, "", StringComparison.Ordinal);
    }

    private static string Sentence(string message) => message.EndsWith('.') ? message : message + ".";

    private static string OneLine(string message) => string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}

namespace NativeQuant.Cli;

/// <summary>The command line is wrong in a way that only shows once the values are put together.</summary>
internal sealed class UsageException(string message) : Exception(message);

using System.Runtime.InteropServices;

namespace NativeQuant.Models.Checkpoints;

/// <summary>What happens when a file grows beyond the limit the process has for files (<c>ulimit -f</c>).</summary>
internal static class FileSizeLimit
{
    // The same number on Linux and macOS, for which PosixSignal has no name.
    private const PosixSignal FileSizeExceeded = (PosixSignal)25;

    // Kept for good: .NET handles signals on a thread of its own, and one that arrives there after the registration is gone ends the process.
    private static readonly Lazy<IDisposable?> Registration = new(() => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()
        ? PosixSignalRegistration.Create(FileSizeExceeded, static context => context.Cancel = true)
        : null);

    /// <summary>
    /// From here on a write that goes too far fails with an error. By default the system ends the process with the signal SIGXFSZ, so that
    /// neither an exception is thrown nor a temporary file deleted.
    /// </summary>
    public static void ReportAsError() => _ = Registration.Value;
}

using System.Buffers.Text;

namespace NativeQuant.Models;

/// <summary>Memory of this process as the system counts it.</summary>
internal static class ProcessMemory
{
    private const string StatusFile = "/proc/self/status";

    /// <summary>Resident bytes that are not pages of mapped files, or null where the system does not tell.</summary>
    public static long? AnonymousBytes()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists(StatusFile))
        {
            return null;
        }
        ReadOnlySpan<byte> status = File.ReadAllBytes(StatusFile);
        int field = status.IndexOf("RssAnon:"u8);
        if (field < 0)
        {
            return null;
        }
        ReadOnlySpan<byte> value = status[(field + "RssAnon:".Length)..].TrimStart(" \t"u8);
        return Utf8Parser.TryParse(value, out long kilobytes, out _) ? kilobytes * 1024 : null;
    }
}

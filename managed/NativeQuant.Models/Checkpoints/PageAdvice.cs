using System.Runtime.InteropServices;

namespace NativeQuant.Models.Checkpoints;

/// <summary>Hints to the operating system about mapped pages.</summary>
internal static partial class PageAdvice
{
    private const int DontNeed = 4; // MADV_DONTNEED of linux, the same on every architecture .NET runs on

    /// <summary>
    /// Drops the pages that hold the range from the resident set. They belong to a read-only file mapping, so whoever reads them again,
    /// also a neighbour on the first or last page, gets them from the page cache or the file. Does nothing where not Linux.
    /// </summary>
    public static void DropResidentPages(nint address, long byteLength)
    {
        if (!OperatingSystem.IsLinux() || byteLength == 0)
        {
            return;
        }
        nint page = Environment.SystemPageSize;
        nint begin = address & -page;
        nint end = (address + (nint)byteLength + page - 1) & -page;
        // A hint: if the kernel declines, memory stays resident and nothing else changes.
        _ = Advise(begin, (nuint)(end - begin), DontNeed);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint byteLength, int advice);
}

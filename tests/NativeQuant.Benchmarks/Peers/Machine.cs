using System.Runtime.InteropServices;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>The machine that figures come from.</summary>
internal sealed record Machine(string Processor, int Processors, string Features, string System, double MemoryGibibytes)
{
    private static readonly string[] Telling = ["avx2", "avx512f", "avx512vnni", "avx512bf16", "amxint8", "amxbf16", "amx-int8", "amx-bf16"];

    /// <summary>This machine.</summary>
    public static Machine Here { get; } = new(
        ProcessorName(),
        Environment.ProcessorCount,
        string.Join(' ', NativeRuntime.CpuFeatures.Split(' ').Where(Telling.Contains)),
        RuntimeInformation.OSDescription,
        Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1 << 30), 1));

    private static string ProcessorName()
    {
        const string Key = "model name";
        string? line = File.Exists("/proc/cpuinfo") ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(static l => l.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}

namespace NativeQuant.Benchmarks.Peers;

/// <summary>The products that are compared.</summary>
internal static class KernelCases
{
    private static readonly Entrant Nested = new("nativequant", "nf4_nested");
    private static readonly Entrant NestedInt8 = new("nativequant", "nf4_nested_int8");
    private static readonly Entrant DramRead = new("machine", "dram_read");
    private static readonly Entrant Fma = new("machine", "fma");
    private static readonly Entrant Int8Peak = new("machine", "int8");

    private static readonly Entrant[] FourBitRivals =
    [
        new("ggml", "q4_0"), new("ggml", "iq4_nl"), new("ggml", "q4_K"), new("onnxruntime", "bnb4nf4"), new("onnxruntime", "nbits4-128"),
        new("bitsandbytes", "nf4"),
    ];

    private static readonly Entrant[] EightBitRivals =
        [new("ggml", "q8_0"), new("onednn", "s8s8"), new("onednn", "u8s8"), new("onnxruntime", "dynq"), new("onnxruntime", "nbits8")];

    /// <summary>All of them, in the order in which they run.</summary>
    public static IReadOnlyList<KernelCase> All { get; } = [.. Make()];

    private static IEnumerable<KernelCase> Make()
    {
        Entrant[] four = [Nested, NestedInt8, new("nativequant", "nf4")], eight = [new("nativequant", "int8")];
        foreach (int threads in (int[])[1, 2])
        {
            yield return new($"4bit-decode-{threads}t", 4096, 4096, 1, threads, [.. four, DramRead, .. FourBitRivals]);
            yield return new($"8bit-decode-{threads}t", 4096, 4096, 1, threads, [.. eight, DramRead, .. EightBitRivals]);
        }
        yield return new("4bit-decode-large-1t", 14336, 4096, 1, 1, [.. four, DramRead, .. FourBitRivals]);
        foreach (int m in (int[])[4, 8, 16])
        {
            yield return new($"4bit-m{m}-1t", 4096, 4096, m, 1, [.. four, DramRead, Fma, .. FourBitRivals]);
        }
        yield return new("8bit-m8-1t", 4096, 4096, 8, 1, [.. eight, DramRead, Int8Peak, .. EightBitRivals]);
        foreach (int m in (int[])[128, 512])
        {
            yield return new($"4bit-m{m}-1t", 4096, 4096, m, 1, [.. four, new("nativequant", "nf4_nested_bf16"), Fma, .. FourBitRivals, new("onednn", "bf16"), new("onednn", "f32")]);
            yield return new($"8bit-m{m}-1t", 4096, 4096, m, 1, [.. eight, new("nativequant", "int8_outliers"), Nested, Int8Peak, .. EightBitRivals]);
        }
        foreach (int m in (int[])[1, 8, 512])
        {
            yield return new($"avx2-4bit-m{m}-1t", 4096, 4096, m, 1, [Nested, new("nativequant", "nf4"), m == 1 ? DramRead : Fma, new("ggml", "iq4_nl"), new("ggml", "q4_0")])
            {
                Implementation = "avx2",
                GgmlVariant = "haswell",
            };
        }
    }
}

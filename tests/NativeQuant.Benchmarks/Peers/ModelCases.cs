namespace NativeQuant.Benchmarks.Peers;

/// <summary>The comparisons end to end.</summary>
internal static class ModelCases
{
    /// <summary>All of them, in the order in which they run.</summary>
    public static IReadOnlyList<ModelCase> All { get; } = [.. Make()];

    private static IEnumerable<ModelCase> Make()
    {
        Entrant[] ours = [Ours("nf4_nested"), Ours("nf4_nested_int8"), Ours("int8")];
        Entrant[] rivals = [new("llama.cpp", "q4_0"), new("llama.cpp", "iq4_nl"), new("llama.cpp", "q4_K"), new("llama.cpp", "q8_0")];
        Entrant dramRead = new("machine", "dram_read");
        foreach (int threads in (int[])[1, 2])
        {
            yield return new($"model-decode-{threads}t", threads, "decode 16", [.. ours, Ours("nf4_nested_int8_head"), Ours("nf4_nested_bf16_head"), .. rivals, dramRead]);
            yield return new($"model-prefill-{threads}t", threads, "prefill 512", [.. ours, .. rivals]);
        }
        foreach (int context in (int[])[128, 8192])
        {
            yield return new($"model-context-{context}", 2, $"decode 8 {context}", [Ours("nf4_nested_bf16_kv"), dramRead]);
        }
        yield return new("model-decode-busy", 2, "decode 8", [.. ours, .. rivals], Busy: true);
    }

    private static Entrant Ours(string format) => new("nativequant", format);
}

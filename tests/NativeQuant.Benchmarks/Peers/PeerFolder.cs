using System.Globalization;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>The folder that bench/peers/setup.sh filled, and the repository with our own programs.</summary>
/// <param name="work">Where the rivals are.</param>
/// <param name="repository">The root of the repository.</param>
internal sealed class PeerFolder(string work, string repository)
{
    /// <summary>Why a library is not there; null if it is.</summary>
    public string? WhyMissing(string library)
    {
        string note = Path.Combine(work, "missing", library);
        return File.Exists(note) ? File.ReadAllText(note).Trim() : null;
    }

    /// <summary>The version that setup noted for a library that does not know its own.</summary>
    public string? NotedVersion(string library)
    {
        string note = Path.Combine(work, library + ".version");
        return File.Exists(note) ? File.ReadAllText(note).Trim() : null;
    }

    /// <summary>The program for one product.</summary>
    public ContestantProgram Kernel(Entrant entrant, KernelCase product)
    {
        string[] task =
        [
            "--type", entrant.Type, "--shape", $"{product.Rows}x{product.Columns}", "--m", Text(product.M), "--threads", Text(product.Threads),
            "--rotate-mib", Text(product.RotateMebibytes),
        ];
        var environment = new Dictionary<string, string> { ["OMP_NUM_THREADS"] = Text(product.Threads) };
        if (product.Implementation is { } implementation)
        {
            environment["NATIVEQUANT_CPU"] = implementation;
        }
        ContestantProgram Program(string executable, string folder, params string[] first) => new(executable, [.. first, .. task], folder, environment);
        return entrant.Library switch
        {
            "nativequant" or "machine" => Program(Path.Combine(repository, "build/release/bench/peers", entrant.Library + "_contestant"), repository),
            "onnxruntime" => Program("node", Path.Combine(work, "npm"), Path.Combine(repository, "bench/peers/onnxruntime.mjs")),
            "bitsandbytes" => Program(Path.Combine(work, "bitsandbytes"), work, "--library", Path.Combine(work, "libbitsandbytes_cpu.so")),
            "ggml" when product.GgmlVariant is { } variant =>
                Program(Path.Combine(work, "ggml/ggml"), work, "--library", Path.Combine(work, $"ggml/libggml-cpu-{variant}.so")),
            "ggml" => Program(Path.Combine(work, "ggml/ggml"), work),
            "onednn" => Program(Path.Combine(work, "onednn"), work),
            _ => throw new ArgumentException($"no library '{entrant.Library}'", nameof(entrant)),
        };
    }

    /// <summary>The GGUF model of a type.</summary>
    public string Gguf(string type) => Path.Combine(work, $"1b-{type}.gguf");

    /// <summary>The random checkpoint of the same shape.</summary>
    public string Checkpoint => Path.Combine(work, "1b-random");

    /// <summary>The program for a model.</summary>
    public ContestantProgram Model(Entrant entrant, int threads)
    {
        ContestantProgram Program(string executable, params string[] arguments) => new(executable, arguments, repository, new Dictionary<string, string>());
        return entrant.Library switch
        {
            "llama.cpp" => Program(Path.Combine(work, "ggml/llama_model"), Gguf(entrant.Type), Text(threads)),
            "nativequant" => Program(Environment.ProcessPath!, "model", Checkpoint, entrant.Type, Text(threads)),
            "machine" => Program(Path.Combine(repository, "build/release/bench/peers/machine_contestant"), "--type", entrant.Type, "--threads", Text(threads)),
            _ => throw new ArgumentException($"no library '{entrant.Library}'", nameof(entrant)),
        };
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

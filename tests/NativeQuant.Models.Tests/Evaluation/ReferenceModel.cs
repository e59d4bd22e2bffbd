using System.Runtime.InteropServices;
using System.Text.Json;

namespace NativeQuant.Models.Tests;

// A model folder with the results that a model must reproduce: reference.json beside the weights.
internal sealed class ReferenceModel
{
    private ReferenceModel(string folder, JsonElement root)
    {
        Folder = folder;
        Name = Path.GetFileName(folder);
        Texts = root.TryGetProperty("texts", out JsonElement texts) ? [.. texts.EnumerateArray().Select(text => new ReferenceText(folder, text))] : [];
        Greedy = root.TryGetProperty("greedy", out JsonElement greedy) ? [.. greedy.EnumerateArray().Select(Continuation)] : [];
        if (root.TryGetProperty("logits", out JsonElement logits))
        {
            PromptIds = Ids(logits.GetProperty("prompt_ids"));
            Logits = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.Combine(folder, logits.GetProperty("file").GetString()!))).ToArray();
            LogitsShape = [.. logits.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt32())];
        }
    }

    public string Folder { get; }

    public string Name { get; }

    public IReadOnlyList<ReferenceText> Texts { get; }

    // Prompt, all ids (prompt first), and the smallest distance between the two largest logits on the way.
    public IReadOnlyList<(int[] Prompt, int[] Ids, double SmallestMargin)> Greedy { get; }

    public int[] PromptIds { get; } = [];

    // [PromptIds, vocabulary].
    public float[] Logits { get; } = [];

    public int[] LogitsShape { get; } = [];

    public static IReadOnlyList<ReferenceModel> All { get; } =
    [
        .. Directory.EnumerateDirectories(TestData.ModelsFolder)
            .Where(folder => File.Exists(Path.Combine(folder, "reference.json")))
            .Order(StringComparer.Ordinal)
            .Select(Read),
    ];

    public override string ToString() => Name;

    private static ReferenceModel Read(string folder)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "reference.json")));
        return new ReferenceModel(folder, document.RootElement);
    }

    private static (int[] Prompt, int[] Ids, double SmallestMargin) Continuation(JsonElement continuation) =>
        (Ids(continuation.GetProperty("prompt_ids")), Ids(continuation.GetProperty("ids")), continuation.GetProperty("smallest_margin").GetDouble());

    private static int[] Ids(JsonElement ids) => [.. ids.EnumerateArray().Select(id => id.GetInt32())];
}

// A text with its perplexities by mode.
internal sealed class ReferenceText
{
    private readonly string _idsFile;

    public ReferenceText(string folder, JsonElement text)
    {
        File = text.GetProperty("file").GetString()!;
        _idsFile = Path.Combine(folder, text.GetProperty("ids").GetString()!);
        Window = text.GetProperty("window").GetInt32();
        ScoredTokens = text.GetProperty("scored_tokens").GetInt32();
        Perplexities = text.GetProperty("perplexity").EnumerateObject().ToDictionary(mode => mode.Name, mode => mode.Value.GetDouble());
    }

    public string File { get; }

    public int Window { get; }

    public int ScoredTokens { get; }

    public IReadOnlyDictionary<string, double> Perplexities { get; }

    // Null if the file of ids is not there: texts of others may not be passed on.
    public int[]? Ids => System.IO.File.Exists(_idsFile)
        ? [.. MemoryMarshal.Cast<byte, int>(System.IO.File.ReadAllBytes(_idsFile)).ToArray().Take(ScoredTokens)]
        : null;

    public string IdsFile => _idsFile;
}

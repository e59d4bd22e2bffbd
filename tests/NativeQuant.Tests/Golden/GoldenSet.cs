using System.Text.Json;

namespace NativeQuant.Tests.Golden;

// A folder of reference vectors: manifest.json and the raw little-endian files that it names.
internal sealed class GoldenSet
{
    private GoldenSet(string folder, IReadOnlyList<GoldenCase> cases)
    {
        Folder = folder;
        Cases = cases;
    }

    public string Folder { get; }

    public IReadOnlyList<GoldenCase> Cases { get; }

    public static GoldenSet Open(string folder)
    {
        using JsonDocument manifest = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "manifest.json")));
        return new GoldenSet(folder, [.. manifest.RootElement.GetProperty("cases").EnumerateArray().Select(element => new GoldenCase(folder, element.Clone()))]);
    }
}

// One case: an operation, its parameters and its tensors by role.
internal sealed class GoldenCase(string folder, JsonElement element)
{
    public string Name { get; } = element.GetProperty("name").GetString()!;

    public string Operation { get; } = element.GetProperty("op").GetString()!;

    public JsonElement Parameters { get; } = element.GetProperty("params");

    public IEnumerable<string> Roles => element.GetProperty("tensors").EnumerateObject().Select(tensor => tensor.Name);

    public int Integer(string parameter) => Parameters.GetProperty(parameter).GetInt32();

    public QuantType QuantType => Parameters.GetProperty("quant_type").GetString() switch
    {
        "nf4" => QuantType.NF4,
        "fp4" => QuantType.FP4,
        var other => throw new InvalidDataException($"{Name}: unknown quant_type {other}"),
    };

    public GoldenTensor this[string role] => Find(role) ?? throw new InvalidDataException($"{Name}: no tensor {role}");

    // The one tensor whose role is this prefix and a type, such as A_f16.
    public GoldenTensor WithPrefix(string prefix) => this[Roles.Single(role => role.StartsWith(prefix, StringComparison.Ordinal))];

    public GoldenTensor? Find(string role)
    {
        if (!element.GetProperty("tensors").TryGetProperty(role, out JsonElement tensor))
        {
            return null;
        }

        return new GoldenTensor(
            tensor.GetProperty("dtype").GetString()!,
            [.. tensor.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt64())],
            File.ReadAllBytes(Path.Combine(folder, tensor.GetProperty("file").GetString()!)));
    }

    public string FilePath(string property) => Path.Combine(folder, element.GetProperty(property).GetString()!);

    public override string ToString() => Name;
}

using System.Text.Json;
using System.Text.Unicode;

namespace NativeQuant.Models.Checkpoints;

/// <summary>The <c>weight_map</c> of a model.safetensors.index.json: which shard holds which tensor.</summary>
internal static class CheckpointIndex
{
    private const string WeightMapName = "weight_map";
    private const int MaximumDepth = 16;

    /// <summary>Reads an index. Every shard name in the result is a path below the folder of the index.</summary>
    /// <exception cref="CheckpointException">The file cannot be read or is invalid, or a shard lies outside the folder.</exception>
    public static Dictionary<string, string> Read(string path)
    {
        byte[] json = ReadFile(path);
        if (!Utf8.IsValid(json))
        {
            throw CheckpointErrors.IndexInvalid(path, "shard index", "UTF-8 text", "bytes that are not UTF-8");
        }
        try
        {
            return Parse(path, json);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw CheckpointErrors.IndexInvalid(path, "shard index", "a JSON object", $"invalid JSON: {exception.Message}");
        }
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            long length = new FileInfo(path).Length;
            return length <= SafetensorsHeader.MaximumBytes ? File.ReadAllBytes(path) : throw CheckpointErrors.IndexTooLarge(path, length);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CheckpointErrors.IndexNotReadable(path, exception);
        }
    }

    private static Dictionary<string, string> Parse(string path, ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaximumDepth });
        Dictionary<string, string>? shards = null;
        reader.Read();
        Expect(in reader, JsonTokenType.StartObject, path, "shard index", "a JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isWeightMap = reader.ValueTextEquals(WeightMapName);
            reader.Read();
            if (!isWeightMap)
            {
                reader.Skip();
                continue;
            }
            if (shards is not null)
            {
                throw CheckpointErrors.DuplicateName(path, WeightMapName);
            }
            shards = ReadWeightMap(ref reader, path);
        }
        // Throws when anything but white space follows the object.
        reader.Read();
        return shards ?? throw CheckpointErrors.IndexInvalid(path, "shard index", $"the field '{WeightMapName}'", "no such field");
    }

    private static Dictionary<string, string> ReadWeightMap(ref Utf8JsonReader reader, string path)
    {
        Dictionary<string, string> shards = new(StringComparer.Ordinal);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Expect(in reader, JsonTokenType.StartObject, path, WeightMapName, "an object of shard names");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string tensor = reader.GetString()!;
            reader.Read();
            Expect(in reader, JsonTokenType.String, path, $"shard of tensor {CheckpointErrors.Quote(tensor)}", "a string");
            string shard = reader.GetString()!;
            if (!IsInside(folder, shard))
            {
                throw CheckpointErrors.ShardOutsideFolder(path, tensor, shard);
            }
            if (!shards.TryAdd(tensor, shard))
            {
                throw CheckpointErrors.DuplicateName(path, tensor);
            }
        }
        return shards;
    }

    /// <summary>Whether the name stays below the folder as written. Links are followed: caches keep the shards elsewhere and link to them.</summary>
    private static bool IsInside(string folder, string shard)
    {
        // A backslash separates folders on Windows only; no shard is named with one.
        if (shard.Length == 0 || shard.AsSpan().ContainsAny('\0', '\\') || Path.IsPathRooted(shard))
        {
            return false;
        }
        string prefix = Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar;
        string full = Path.GetFullPath(shard, folder);
        return full.StartsWith(prefix, StringComparison.Ordinal) && full.Length > prefix.Length;
    }

    private static void Expect(in Utf8JsonReader reader, JsonTokenType token, string path, string what, string expected)
    {
        if (reader.TokenType != token)
        {
            throw CheckpointErrors.IndexInvalid(path, what, expected, reader.TokenType.ToString());
        }
    }
}

using System.Globalization;
using System.Text;
using System.Text.Json;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>
/// The JSON that bitsandbytes keeps beside a 4-bit weight. Written as Python's <c>json.dumps</c> writes it; unknown fields are ignored on reading.
/// </summary>
internal sealed record QuantState4Bit
{
    /// <summary><c>nf4</c> or <c>fp4</c>.</summary>
    public required string QuantType { get; init; }

    /// <summary>Weights per absmax.</summary>
    public required int Blocksize { get; init; }

    /// <summary>Type of the weights before quantization.</summary>
    public required DataType DataType { get; init; }

    /// <summary>Shape before quantization.</summary>
    public required long[] Shape { get; init; }

    /// <summary>Absmax per nested absmax; null if the absmax are plain.</summary>
    public int? NestedBlocksize { get; init; }

    /// <summary>What is added to every nested absmax.</summary>
    public float NestedOffset { get; init; }

    /// <exception cref="CheckpointException">A field is missing or unusable.</exception>
    public static QuantState4Bit Parse(string folder, CheckpointTensor tensor)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(tensor.Bytes.ToArray());
            JsonElement root = document.RootElement;
            bool nested = root.TryGetProperty("nested_blocksize", out JsonElement nestedBlocksize);
            if (root.TryGetProperty("nested_dtype", out JsonElement nestedType) && nestedType.GetString() != "float32")
            {
                throw ModelErrors.InvalidQuantState(folder, tensor.Name, "nested_dtype float32", nestedType.GetRawText());
            }
            return new QuantState4Bit
            {
                QuantType = root.GetProperty("quant_type").GetString() ?? "null",
                Blocksize = Positive(root.GetProperty("blocksize")),
                DataType = TypeOf(root.GetProperty("dtype").GetString()),
                Shape = [.. root.GetProperty("shape").EnumerateArray().Select(static dimension => dimension.GetInt64())],
                NestedBlocksize = nested ? Positive(nestedBlocksize) : null,
                NestedOffset = nested ? (float)root.GetProperty("nested_offset").GetDouble() : 0,
            };
        }
        catch (Exception cause) when (cause is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw ModelErrors.InvalidQuantState(folder, tensor.Name, "JSON with quant_type, blocksize, dtype, shape", cause.Message, cause);
        }
    }

    /// <summary>UTF-8 of the JSON.</summary>
    public byte[] ToJson()
    {
        StringBuilder json = new();
        json.Append(CultureInfo.InvariantCulture, $"{{\"quant_type\": \"{QuantType}\", \"blocksize\": {Blocksize}, \"dtype\": \"{NameOf(DataType)}\", \"shape\": [{string.Join(", ", Shape)}]");
        if (NestedBlocksize is int nestedBlocksize)
        {
            json.Append(CultureInfo.InvariantCulture, $", \"nested_blocksize\": {nestedBlocksize}, \"nested_dtype\": \"float32\", \"nested_offset\": {PythonFloat(NestedOffset)}");
        }
        return Encoding.UTF8.GetBytes(json.Append('}').ToString());
    }

    /// <summary>The shortest text that reads back as the same f64, as Python prints it.</summary>
    private static string PythonFloat(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture).Replace('E', 'e');
        return text.AsSpan().ContainsAny('.', 'e') ? text : text + ".0";
    }

    private static int Positive(JsonElement number) => number.GetInt32() is int value and > 0 ? value : throw new FormatException($"expected a positive number, got {number}");

    private static DataType TypeOf(string? name) => name switch
    {
        "float32" => DataType.Float32,
        "float16" => DataType.Float16,
        "bfloat16" => DataType.BFloat16,
        _ => throw new FormatException($"dtype: expected float32, float16 or bfloat16, got {name ?? "null"}"),
    };

    /// <summary>Name of a type as Python writes it.</summary>
    public static string NameOf(DataType type) => type switch
    {
        DataType.Float16 => "float16",
        DataType.BFloat16 => "bfloat16",
        _ => "float32",
    };
}

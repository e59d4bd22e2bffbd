using System.Text;
using System.Text.Json;

namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// What bitsandbytes stores as JSON text beside the packed codes of a 4-bit weight, in the tensor
/// <c>….weight.quant_state.bitsandbytes__nf4</c> or <c>…__fp4</c>.
/// </summary>
public sealed record QuantState
{
    private const int LongestText = 1 << 16;
    private const int MaximumDepth = 16;

    /// <summary>The codebook.</summary>
    public required QuantType QuantType { get; init; }

    /// <summary>Weights per absmax.</summary>
    public required int Blocksize { get; init; }

    /// <summary>Type of the weights before quantization: float32, float16 or bfloat16.</summary>
    public required DataType DataType { get; init; }

    /// <summary>Output features.</summary>
    public required long Rows { get; init; }

    /// <summary>Input features.</summary>
    public required long Columns { get; init; }

    /// <summary>Absmax codes per nested absmax; 0 if the absmax are not quantized themselves.</summary>
    public int NestedBlocksize { get; init; }

    /// <summary>What is added to the decoded absmax when they are quantized themselves.</summary>
    public float NestedOffset { get; init; }

    /// <summary>Reads the text. Unknown fields are ignored.</summary>
    /// <param name="tensor">The tensor with the text.</param>
    /// <param name="isNested">Whether the weight has nested statistics, so that their fields must be there.</param>
    internal static QuantState Read(CheckpointTensor tensor, bool isNested)
    {
        if (tensor.ElementType != "U8" || tensor.Shape.Count != 1 || tensor.ByteLength > LongestText)
        {
            throw CheckpointErrors.WrongTensor(tensor, $"U8 [length], at most {LongestText} bytes of JSON text");
        }
        try
        {
            byte[] text = tensor.Bytes.ToArray();
            GC.KeepAlive(tensor);
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = MaximumDepth });
            return new Fields(tensor, document.RootElement).Read(isNested);
        }
        // InvalidOperationException: an escaped surrogate without its other half.
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw CheckpointErrors.QuantStateNotJson(tensor, exception);
        }
    }

    /// <summary>The text exactly as Python's <c>json.dumps</c> prints it, in the key order of bitsandbytes.</summary>
    /// <returns>One line of JSON.</returns>
    internal string ToJson()
    {
        StringBuilder json = new();
        json.Append(
            null,
            $$"""{"quant_type": "{{BitsAndBytesNames.Of(QuantType)}}", "blocksize": {{Blocksize}}, "dtype": "{{BitsAndBytesNames.Of(DataType)}}", "shape": [{{Rows}}, {{Columns}}]""");
        if (NestedBlocksize != 0)
        {
            json.Append(
                null,
                $""", "nested_blocksize": {NestedBlocksize}, "nested_dtype": "{BitsAndBytesNames.NestedDataType}", "nested_offset": {PythonFloat.Repr(NestedOffset)}""");
        }
        return json.Append('}').ToString();
    }

    private readonly struct Fields(CheckpointTensor tensor, JsonElement root)
    {
        public QuantState Read(bool isNested)
        {
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw CheckpointErrors.QuantStateField(tensor, "text", "a JSON object", root.ValueKind.ToString());
            }
            (long rows, long columns) = ReadShape();
            return new QuantState
            {
                QuantType = ReadQuantType(),
                Blocksize = ReadInt32("blocksize"),
                DataType = ReadDataType(),
                Rows = rows,
                Columns = columns,
                NestedBlocksize = isNested ? ReadNestedBlocksize() : 0,
                NestedOffset = isNested ? ReadNestedOffset() : 0,
            };
        }

        private JsonElement Required(string field, JsonValueKind kind, string expected)
        {
            if (!root.TryGetProperty(field, out JsonElement value))
            {
                throw CheckpointErrors.QuantStateField(tensor, field, expected, "no such field");
            }
            return value.ValueKind == kind ? value : throw Misfit(field, expected, value);
        }

        private QuantType ReadQuantType()
        {
            string name = Required("quant_type", JsonValueKind.String, "\"nf4\" or \"fp4\"").GetString()!;
            foreach ((string known, QuantType type) in BitsAndBytesNames.QuantTypes)
            {
                if (known == name && tensor.Name.EndsWith($"__{known}", StringComparison.Ordinal))
                {
                    return type;
                }
            }
            throw CheckpointErrors.QuantStateField(tensor, "quant_type", "what the tensor's name ends in", CheckpointErrors.Quote(name));
        }

        private int ReadInt32(string field)
        {
            const string Expected = "an integer from 1 to 2^31 - 1";
            JsonElement value = Required(field, JsonValueKind.Number, Expected);
            return value.TryGetInt32(out int number) && number > 0 ? number : throw Misfit(field, Expected, value);
        }

        private DataType ReadDataType()
        {
            const string Expected = "\"float32\", \"float16\" or \"bfloat16\"";
            JsonElement value = Required("dtype", JsonValueKind.String, Expected);
            return BitsAndBytesNames.ToDataType(value.GetString()!) ?? throw Misfit("dtype", Expected, value);
        }

        private (long Rows, long Columns) ReadShape()
        {
            const string Expected = "two integers of at least 1 whose product is below 2^63";
            JsonElement value = Required("shape", JsonValueKind.Array, Expected);
            JsonElement[] dimensions = [.. value.EnumerateArray().Take(3)];
            if (dimensions is [{ ValueKind: JsonValueKind.Number } first, { ValueKind: JsonValueKind.Number } second]
                && first.TryGetInt64(out long rows) && second.TryGetInt64(out long columns)
                && rows > 0 && columns > 0 && (Int128)rows * columns <= long.MaxValue)
            {
                return (rows, columns);
            }
            throw Misfit("shape", Expected, value);
        }

        private int ReadNestedBlocksize()
        {
            JsonElement type = Required("nested_dtype", JsonValueKind.String, $"\"{BitsAndBytesNames.NestedDataType}\"");
            return type.GetString() == BitsAndBytesNames.NestedDataType
                ? ReadInt32("nested_blocksize")
                : throw Misfit("nested_dtype", $"\"{BitsAndBytesNames.NestedDataType}\"", type);
        }

        private float ReadNestedOffset()
        {
            const string Expected = "a finite float32";
            JsonElement value = Required("nested_offset", JsonValueKind.Number, Expected);
            return value.TryGetDouble(out double number) && float.IsFinite((float)number) ? (float)number : throw Misfit("nested_offset", Expected, value);
        }

        private CheckpointException Misfit(string field, string expected, JsonElement got) =>
            CheckpointErrors.QuantStateField(tensor, field, expected, CheckpointErrors.Quote(got.GetRawText()));
    }
}

using System.Globalization;
using System.Text.Json;

namespace NativeQuant;

/// <summary>
/// How a model is quantized: field for field the <c>BitsAndBytesConfig</c> of transformers, with its defaults, and the
/// <c>quantization_config</c> of config.json.
/// </summary>
/// <remarks>Immutable and thread-safe. There is no field for the blocksize: transformers always quantizes with 64.</remarks>
public sealed record QuantizationConfig
{
    private const string QuantMethod = "bitsandbytes";

    private static readonly string[] StorageTypes = ["uint8", "int8", "float16", "bfloat16", "float32", "float64"];

    private readonly bool _loadIn8Bit;
    private readonly bool _loadIn4Bit;
    private readonly float _llmInt8Threshold = 6.0f;
    private readonly DataType _bnb4BitComputeType = DataType.Float32;
    private readonly string _bnb4BitQuantStorage = "uint8";

    /// <summary>LLM.int8() with transformers' defaults: threshold 6.</summary>
    public static QuantizationConfig Int8 { get; } = new() { LoadIn8Bit = true };

    /// <summary>FP4 with blocksize 64.</summary>
    public static QuantizationConfig FP4 { get; } = new() { LoadIn4Bit = true, Bnb4BitQuantType = QuantType.FP4 };

    /// <summary>NF4 with blocksize 64.</summary>
    public static QuantizationConfig NF4 { get; } = new() { LoadIn4Bit = true, Bnb4BitQuantType = QuantType.NF4 };

    /// <summary>NF4 with blocksize 64 and the absmax in 8 bits: 4.127 bits per weight.</summary>
    public static QuantizationConfig NF4DoubleQuant { get; } = NF4 with { Bnb4BitUseDoubleQuant = true };

    /// <summary><c>load_in_8bit</c>: quantize linear layers to int8 (LLM.int8()). Excludes <see cref="LoadIn4Bit"/>.</summary>
    /// <exception cref="ArgumentException"><see cref="LoadIn4Bit"/> is set too.</exception>
    public bool LoadIn8Bit
    {
        get => _loadIn8Bit;
        init => _loadIn8Bit = value && _loadIn4Bit ? throw Errors.BothBitWidths() : value;
    }

    /// <summary><c>load_in_4bit</c>: quantize linear layers to 4 bits. Excludes <see cref="LoadIn8Bit"/>.</summary>
    /// <exception cref="ArgumentException"><see cref="LoadIn8Bit"/> is set too.</exception>
    public bool LoadIn4Bit
    {
        get => _loadIn4Bit;
        init => _loadIn4Bit = value && _loadIn8Bit ? throw Errors.BothBitWidths() : value;
    }

    /// <summary><c>llm_int8_threshold</c>: columns with an |x| of at least this are multiplied in floating point; 0: none. Default 6.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or not a number.</exception>
    public float LlmInt8Threshold
    {
        get => _llmInt8Threshold;
        init => _llmInt8Threshold = value >= 0 && float.IsFinite(value) ? value : throw Errors.NegativeThreshold(nameof(LlmInt8Threshold), value);
    }

    /// <summary>
    /// <c>llm_int8_skip_modules</c>: modules left unquantized, in 4 bits too. <see langword="null"/>, the default: the output embedding.
    /// A list replaces that default.
    /// </summary>
    public IReadOnlyList<string>? LlmInt8SkipModules { get; init; }

    /// <summary><c>llm_int8_enable_fp32_cpu_offload</c>: kept for the file; has no meaning on a CPU device.</summary>
    public bool LlmInt8EnableFp32CpuOffload { get; init; }

    /// <summary><c>llm_int8_has_fp16_weight</c>: the weights are stored in 16 bits and quantized while they run.</summary>
    public bool LlmInt8HasFp16Weight { get; init; }

    /// <summary><c>bnb_4bit_compute_dtype</c>: type that operands and results of 4-bit layers are rounded to. Default float32.</summary>
    /// <exception cref="ArgumentException">The value is not a floating-point type.</exception>
    public DataType Bnb4BitComputeType
    {
        get => _bnb4BitComputeType;
        init => _bnb4BitComputeType = value.IsFloatingPoint() ? value : throw Errors.NotFloatingPoint(nameof(Bnb4BitComputeType), value);
    }

    /// <summary><c>bnb_4bit_quant_type</c>: 4-bit codebook. Default FP4, as in transformers.</summary>
    public QuantType Bnb4BitQuantType { get; init; } = QuantType.FP4;

    /// <summary><c>bnb_4bit_use_double_quant</c>: hold the absmax in 8 bits.</summary>
    public bool Bnb4BitUseDoubleQuant { get; init; }

    /// <summary>
    /// <c>bnb_4bit_quant_storage</c>: element type that packed codes are declared as in a checkpoint: <c>uint8</c> (the default),
    /// <c>int8</c>, <c>float16</c>, <c>bfloat16</c>, <c>float32</c> or <c>float64</c>. The bytes are the same.
    /// </summary>
    /// <exception cref="ArgumentException">The value is none of these.</exception>
    public string Bnb4BitQuantStorage
    {
        get => _bnb4BitQuantStorage;
        init => _bnb4BitQuantStorage = StorageTypes.Contains(value)
            ? value
            : throw Errors.ConfigValue("bnb_4bit_quant_storage", "one of " + string.Join(", ", StorageTypes), $"\"{value}\"");
    }

    /// <summary>Reads the <c>quantization_config</c> object of a config.json. Keys that are missing take their defaults, keys that are not known are ignored.</summary>
    /// <param name="quantizationConfig">The JSON object.</param>
    /// <returns>The configuration.</returns>
    /// <exception cref="NotSupportedException"><c>quant_method</c> is another method than bitsandbytes.</exception>
    /// <exception cref="ArgumentException">A value is not of the type or range expected, 8 and 4 bits are both asked for, or nothing says what method it is.</exception>
    public static QuantizationConfig FromJson(JsonElement quantizationConfig)
    {
        if (quantizationConfig.ValueKind != JsonValueKind.Object)
        {
            throw Errors.ConfigValue("quantization_config", "an object", quantizationConfig.GetRawText());
        }

        var fields = new JsonFields(quantizationConfig);
        bool in8Bit = fields.Boolean("load_in_8bit", false);
        bool in4Bit = fields.Boolean("load_in_4bit", false);

        // Files of older versions lack the method; the flags then tell it.
        string? method = fields.Text("quant_method", null);
        if (method is null && !in8Bit && !in4Bit)
        {
            throw Errors.MissingQuantMethod();
        }

        if (method is not null and not QuantMethod)
        {
            throw Errors.UnsupportedQuantMethod(method);
        }

        return new QuantizationConfig
        {
            LoadIn8Bit = in8Bit,
            LoadIn4Bit = in4Bit,
            LlmInt8Threshold = fields.NonNegative("llm_int8_threshold", 6.0f),
            LlmInt8SkipModules = fields.TextList("llm_int8_skip_modules"),
            LlmInt8EnableFp32CpuOffload = fields.Boolean("llm_int8_enable_fp32_cpu_offload", false),
            LlmInt8HasFp16Weight = fields.Boolean("llm_int8_has_fp16_weight", false),
            Bnb4BitComputeType = ParseComputeType(fields.Text("bnb_4bit_compute_dtype", "float32")!),
            Bnb4BitQuantType = ParseQuantType(fields.Text("bnb_4bit_quant_type", "fp4")!),
            Bnb4BitUseDoubleQuant = fields.Boolean("bnb_4bit_use_double_quant", false),
            Bnb4BitQuantStorage = WithoutFrameworkPrefix(fields.Text("bnb_4bit_quant_storage", "uint8")!),
        };
    }

    /// <summary>Writes the <c>quantization_config</c> object: the keys that transformers writes, in its (alphabetical) order.</summary>
    /// <param name="writer">Where to write; positioned where a value is due.</param>
    public void WriteJson(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteBoolean("_load_in_4bit", LoadIn4Bit);
        writer.WriteBoolean("_load_in_8bit", LoadIn8Bit);
        writer.WriteString("bnb_4bit_compute_dtype", ComputeTypeName(Bnb4BitComputeType));
        writer.WriteString("bnb_4bit_quant_storage", Bnb4BitQuantStorage);
        writer.WriteString("bnb_4bit_quant_type", Bnb4BitQuantType == QuantType.NF4 ? "nf4" : "fp4");
        writer.WriteBoolean("bnb_4bit_use_double_quant", Bnb4BitUseDoubleQuant);
        writer.WriteBoolean("llm_int8_enable_fp32_cpu_offload", LlmInt8EnableFp32CpuOffload);
        writer.WriteBoolean("llm_int8_has_fp16_weight", LlmInt8HasFp16Weight);
        writer.WritePropertyName("llm_int8_skip_modules");
        WriteSkipModules(writer);

        // A number without fraction would be an integer to transformers, which insists on a float.
        string threshold = LlmInt8Threshold.ToString("R", CultureInfo.InvariantCulture);
        writer.WritePropertyName("llm_int8_threshold");
        writer.WriteRawValue(threshold.AsSpan().IndexOfAny('.', 'E') < 0 ? threshold + ".0" : threshold);
        writer.WriteBoolean("load_in_4bit", LoadIn4Bit);
        writer.WriteBoolean("load_in_8bit", LoadIn8Bit);
        writer.WriteString("quant_method", QuantMethod);
        writer.WriteEndObject();
    }

    /// <summary>Whether the other configuration says the same; skip lists are compared entry by entry.</summary>
    /// <param name="other">The other configuration.</param>
    /// <returns><see langword="true"/> if every field is equal.</returns>
    public bool Equals(QuantizationConfig? other) =>
        other is not null
        && LoadIn8Bit == other.LoadIn8Bit
        && LoadIn4Bit == other.LoadIn4Bit
        && LlmInt8Threshold.Equals(other.LlmInt8Threshold)
        && LlmInt8EnableFp32CpuOffload == other.LlmInt8EnableFp32CpuOffload
        && LlmInt8HasFp16Weight == other.LlmInt8HasFp16Weight
        && Bnb4BitComputeType == other.Bnb4BitComputeType
        && Bnb4BitQuantType == other.Bnb4BitQuantType
        && Bnb4BitUseDoubleQuant == other.Bnb4BitUseDoubleQuant
        && Bnb4BitQuantStorage == other.Bnb4BitQuantStorage
        && (LlmInt8SkipModules is null || other.LlmInt8SkipModules is null
            ? LlmInt8SkipModules is null && other.LlmInt8SkipModules is null
            : LlmInt8SkipModules.SequenceEqual(other.LlmInt8SkipModules));

    /// <inheritdoc/>
    public override int GetHashCode() =>
        HashCode.Combine(LoadIn8Bit, LoadIn4Bit, LlmInt8Threshold, Bnb4BitComputeType, Bnb4BitQuantType, Bnb4BitUseDoubleQuant, LlmInt8SkipModules?.Count);

    private void WriteSkipModules(Utf8JsonWriter writer)
    {
        if (LlmInt8SkipModules is null)
        {
            writer.WriteNullValue();
            return;
        }

        writer.WriteStartArray();
        foreach (string module in LlmInt8SkipModules)
        {
            writer.WriteStringValue(module);
        }

        writer.WriteEndArray();
    }

    private static DataType ParseComputeType(string name) => WithoutFrameworkPrefix(name) switch
    {
        "float32" => DataType.Float32,
        "float16" => DataType.Float16,
        "bfloat16" => DataType.BFloat16,
        _ => throw Errors.ConfigValue("bnb_4bit_compute_dtype", "float32, float16 or bfloat16", $"\"{name}\""),
    };

    private static string ComputeTypeName(DataType type) => type switch
    {
        DataType.Float16 => "float16",
        DataType.BFloat16 => "bfloat16",
        _ => "float32",
    };

    private static QuantType ParseQuantType(string name) => name switch
    {
        "fp4" => QuantType.FP4,
        "nf4" => QuantType.NF4,
        _ => throw Errors.ConfigValue("bnb_4bit_quant_type", "fp4 or nf4", $"\"{name}\""),
    };

    private static string WithoutFrameworkPrefix(string name) => name.StartsWith("torch.", StringComparison.Ordinal) ? name["torch.".Length..] : name;

    // Typed access to the fields of the object; a field that is absent or null has its default.
    private readonly struct JsonFields(JsonElement element)
    {
        public bool Boolean(string key, bool fallback) => Find(key) is not { } value
            ? fallback
            : value.ValueKind switch
            {
                JsonValueKind.True => true,
                JsonValueKind.False => false,
                _ => throw Errors.ConfigValue(key, "true or false", value.GetRawText()),
            };

        public string? Text(string key, string? fallback) => Find(key) is not { } value
            ? fallback
            : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Errors.ConfigValue(key, "a string", value.GetRawText());

        public float NonNegative(string key, float fallback) => Find(key) is not { } value
            ? fallback
            : value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && number >= 0 && float.IsFinite(number)
                ? number
                : throw Errors.ConfigValue(key, "a number of at least 0", value.GetRawText());

        public IReadOnlyList<string>? TextList(string key)
        {
            if (Find(key) is not { } value)
            {
                return null;
            }

            if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
            {
                throw Errors.ConfigValue(key, "a list of strings or null", value.GetRawText());
            }

            return [.. value.EnumerateArray().Select(item => item.GetString()!)];
        }

        private JsonElement? Find(string key) =>
            element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }
}

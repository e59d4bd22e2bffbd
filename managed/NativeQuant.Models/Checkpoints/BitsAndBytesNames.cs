namespace NativeQuant.Models.Checkpoints;

/// <summary>The names bitsandbytes gives to the tensors of a quantized module.</summary>
internal static class BitsAndBytesNames
{
    public const string NestedDataType = "float32";

    public static readonly (string Name, QuantType Type)[] QuantTypes = [("nf4", QuantType.NF4), ("fp4", QuantType.FP4)];

    public static string Weight(string module) => $"{module}.weight";

    public static string Absmax(string module) => $"{module}.weight.absmax";

    public static string QuantMap(string module) => $"{module}.weight.quant_map";

    public static string NestedAbsmax(string module) => $"{module}.weight.nested_absmax";

    public static string NestedQuantMap(string module) => $"{module}.weight.nested_quant_map";

    public static string QuantState(string module, string quantType) => $"{module}.weight.quant_state.bitsandbytes__{quantType}";

    public static string RowAbsmax(string module) => $"{module}.SCB";

    public static string RowFormat(string module) => $"{module}.weight_format";

    public static string Of(QuantType quantType) => QuantTypes.First(type => type.Type == quantType).Name;

    /// <summary>The name of a weight's type in a quant_state, or null when it is not one of the three.</summary>
    public static string? Of(DataType dataType) => dataType switch
    {
        DataType.Float32 => "float32",
        DataType.Float16 => "float16",
        DataType.BFloat16 => "bfloat16",
        _ => null,
    };

    public static DataType? ToDataType(string name) => name switch
    {
        "float32" => DataType.Float32,
        "float16" => DataType.Float16,
        "bfloat16" => DataType.BFloat16,
        _ => null,
    };

    /// <summary>The element type that packed codes are declared as, and its bytes, for a <c>bnb_4bit_quant_storage</c>.</summary>
    public static (string ElementType, int ByteSize)? StorageType(string quantStorage) => quantStorage switch
    {
        "uint8" => ("U8", 1),
        "int8" => ("I8", 1),
        "float16" => ("F16", 2),
        "bfloat16" => ("BF16", 2),
        "float32" => ("F32", 4),
        "float64" => ("F64", 8),
        _ => null,
    };
}

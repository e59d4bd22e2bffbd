namespace NativeQuant.Cli.Options;

/// <summary>Number types under the names that transformers gives them.</summary>
internal static class DataTypeNames
{
    public static string[] All { get; } = ["float32", "float16", "bfloat16"];

    public static string Choices { get; } = string.Join('|', All);

    /// <summary>What a KV cache may hold.</summary>
    public static string[] KvCache { get; } = ["float32", "bfloat16", "int8"];

    public static DataType Parse(string name) => name switch
    {
        "float32" => DataType.Float32,
        "float16" => DataType.Float16,
        "bfloat16" => DataType.BFloat16,
        "int8" => DataType.Int8,
        _ => throw new UsageException($"A number type must be one of {string.Join(", ", All)} or int8; got '{name}'."),
    };

    public static string Of(DataType type) => type switch
    {
        DataType.Float32 => "float32",
        DataType.Float16 => "float16",
        DataType.BFloat16 => "bfloat16",
        DataType.Int8 => "int8",
        _ => type.ToString(),
    };
}

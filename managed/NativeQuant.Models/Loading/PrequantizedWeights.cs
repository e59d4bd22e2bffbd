using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>
/// Linear weights that a checkpoint holds quantized, as bitsandbytes stores them. A module is quantized if and only if its quantization
/// state is in the checkpoint; the codes are taken as they are.
/// </summary>
internal static class PrequantizedWeights
{
    private const string RowAbsmaxSuffix = ".SCB";
    private const string QuantStatePart = ".quant_state.bitsandbytes__";
    private const string NestedAbsmaxSuffix = ".weight.nested_absmax";

    /// <summary>Whether any weight of the checkpoint is quantized.</summary>
    public static bool Any(Checkpoint checkpoint) =>
        checkpoint.Names.Any(static name => name.EndsWith(RowAbsmaxSuffix, StringComparison.Ordinal) || name.Contains(QuantStatePart, StringComparison.Ordinal));

    /// <summary>The configuration of quantized weights whose config.json has none: the format from their names, else the defaults.</summary>
    public static QuantizationConfig InferConfig(Checkpoint checkpoint)
    {
        if (checkpoint.Names.Any(static name => name.EndsWith(RowAbsmaxSuffix, StringComparison.Ordinal)))
        {
            return QuantizationConfig.Int8;
        }
        bool isNF4 = checkpoint.Names.Any(static name => name.EndsWith(QuantStatePart + BitsAndBytesNames.Of(QuantType.NF4), StringComparison.Ordinal));
        bool isNested = checkpoint.Names.Any(static name => name.EndsWith(NestedAbsmaxSuffix, StringComparison.Ordinal));
        return (isNF4 ? QuantizationConfig.NF4 : QuantizationConfig.FP4) with { Bnb4BitUseDoubleQuant = isNested };
    }

    /// <summary>Whether the weight of a module is quantized.</summary>
    public static bool Holds(Checkpoint checkpoint, string module) =>
        QuantizedWeightReader.DetectFormat(checkpoint, module) is WeightFormat.FourBit or WeightFormat.EightBit;

    /// <summary>The weight of a module, or null if it is not quantized.</summary>
    /// <exception cref="CheckpointException">The state is broken or incomplete, or the weight has another shape than expected.</exception>
    public static Matrix? Read(Checkpoint checkpoint, Device device, string module, long rows, long columns)
    {
        switch (QuantizedWeightReader.DetectFormat(checkpoint, module))
        {
            case WeightFormat.FourBit:
                Matrix4BitStorage storage = QuantizedWeightReader.Read4Bit(checkpoint, module);
                CheckShape(storage.Rows, storage.Columns);
                return Matrix4Bit.Import(device, storage);
            case WeightFormat.EightBit:
                Matrix8BitTensors tensors = QuantizedWeightReader.Read8Bit(checkpoint, module);
                CheckShape(tensors.Rows, tensors.Columns);
                // The type before quantization is not stored; bitsandbytes quantizes to 8 bits from f16.
                return Matrix8Bit.Import(device, rows, columns, DataType.Float16, tensors.Codes, tensors.RowAbsmax);
            default:
                return null;
        }

        void CheckShape(long gotRows, long gotColumns)
        {
            if (gotRows != rows || gotColumns != columns)
            {
                throw ModelErrors.WrongShape(checkpoint.Folder, BitsAndBytesNames.Weight(module), [rows, columns], [gotRows, gotColumns]);
            }
        }
    }

    /// <summary>Names of the tensors that a quantized module may have beside its bias.</summary>
    public static IEnumerable<string> TensorNames(string module) =>
    [
        BitsAndBytesNames.Weight(module),
        BitsAndBytesNames.Absmax(module),
        BitsAndBytesNames.QuantMap(module),
        BitsAndBytesNames.NestedAbsmax(module),
        BitsAndBytesNames.NestedQuantMap(module),
        .. BitsAndBytesNames.QuantTypes.Select(type => BitsAndBytesNames.QuantState(module, type.Name)),
        BitsAndBytesNames.RowAbsmax(module),
        BitsAndBytesNames.RowFormat(module),
    ];
}

using System.Buffers;
using System.Runtime.InteropServices;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>
/// The tensors that one weight becomes in a checkpoint: itself, or bitsandbytes' codes and statistics. Declared first for all weights,
/// then written in the same order.
/// </summary>
internal sealed class WeightParts(string quantStorage)
{
    private const int PieceBytes = 4 << 20;

    /// <summary>Announces the tensors of a weight.</summary>
    public void Declare(ModelWeight weight, SafetensorsWriter writer)
    {
        switch (weight.Matrix)
        {
            case Matrix4Bit matrix:
                Declare4Bit(weight.Name, matrix, writer);
                break;
            case Matrix8Bit matrix:
                writer.Declare(weight.Name, "I8", [matrix.Rows, matrix.Columns]);
                writer.Declare(Module(weight) + QuantizedWeightReader.RowAbsmaxSuffix, "F32", [matrix.Rows]);
                writer.Declare(Module(weight) + QuantizedWeightReader.WeightFormatSuffix, "U8", []);
                break;
            case Matrix matrix:
                writer.Declare(weight.Name, ElementTypes.FromDataType(matrix.DataType), [matrix.Rows, matrix.Columns]);
                break;
            case null:
                writer.Declare(weight.Name, ElementTypes.FromDataType(weight.Vector.DataType), [weight.Vector.Columns]);
                break;
        }
    }

    /// <summary>Writes the tensors of a weight, in the order they were declared.</summary>
    public static void Write(ModelWeight weight, SafetensorsWriter writer)
    {
        switch (weight.Matrix)
        {
            case Matrix4Bit matrix:
                Write4Bit(weight.Name, matrix, writer);
                break;
            case Matrix8Bit matrix:
                Write8Bit(weight, matrix, writer);
                break;
            case Matrix matrix:
                WriteDense(weight.Name, matrix, writer);
                break;
            case null:
                WriteBuffer(weight.Name, weight.Vector.Buffer, writer);
                break;
        }
    }

    private static string Module(ModelWeight weight) => weight.Name[..^".weight".Length];

    private void Declare4Bit(string name, Matrix4Bit matrix, SafetensorsWriter writer)
    {
        (string elementType, int size) = quantStorage switch
        {
            "int8" => ("I8", 1),
            "float16" => ("F16", 2),
            "bfloat16" => ("BF16", 2),
            "float32" => ("F32", 4),
            "float64" => ("F64", 8),
            _ => ("U8", 1),
        };
        long count = matrix.Rows * matrix.Columns;
        long bytes = DivideUp(count, 2);
        // The same bytes under another label, where they divide evenly.
        writer.Declare(name, bytes % size == 0 ? elementType : "U8", [bytes % size == 0 ? bytes / size : bytes, 1]);
        long blocks = DivideUp(count, matrix.Blocksize);
        bool nested = matrix.NestedBlocksize != 0;
        writer.Declare(name + ".absmax", nested ? "U8" : "F32", [blocks]);
        writer.Declare(name + ".quant_map", "F32", [16]);
        if (nested)
        {
            writer.Declare(name + ".nested_absmax", "F32", [DivideUp(blocks, matrix.NestedBlocksize)]);
            writer.Declare(name + ".nested_quant_map", "F32", [256]);
        }
        // The length of the text depends on the digits of the nested offset, which only an export gives.
        byte[] state = State(matrix, nested ? matrix.Export().NestedOffset : 0);
        writer.Declare(StateName(name, matrix.QuantType), "U8", [state.Length]);
    }

    private static void Write4Bit(string name, Matrix4Bit matrix, SafetensorsWriter writer)
    {
        Matrix4BitStorage storage = matrix.Export();
        float[] map = new float[16];
        Codebooks.Codebook4Bit(storage.QuantType, map);
        writer.Write(name, storage.Packed);
        if (storage.NestedBlocksize == 0)
        {
            writer.Write(name + ".absmax", Bytes(storage.Absmax!));
            writer.Write(name + ".quant_map", Bytes(map));
        }
        else
        {
            writer.Write(name + ".absmax", storage.AbsmaxCodes!);
            writer.Write(name + ".quant_map", Bytes(map));
            writer.Write(name + ".nested_absmax", Bytes(storage.NestedAbsmax!));
            writer.Write(name + ".nested_quant_map", Bytes(storage.NestedMap!));
        }
        writer.Write(StateName(name, storage.QuantType), State(matrix, storage.NestedOffset));
    }

    private static void Write8Bit(ModelWeight weight, Matrix8Bit matrix, SafetensorsWriter writer)
    {
        sbyte[] codes = new sbyte[checked(matrix.Rows * matrix.Columns)];
        float[] rowAbsmax = new float[matrix.Rows];
        matrix.Export(codes, rowAbsmax);
        writer.Write(weight.Name, MemoryMarshal.AsBytes(codes.AsSpan()));
        writer.Write(Module(weight) + QuantizedWeightReader.RowAbsmaxSuffix, Bytes(rowAbsmax));
        writer.Write(Module(weight) + QuantizedWeightReader.WeightFormatSuffix, [0]);
    }

    private static void WriteDense(string name, Matrix matrix, SafetensorsWriter writer)
    {
        long bytes = matrix.Rows * matrix.Columns * matrix.DataType.ByteSize();
        using var buffer = new DeviceBuffer(matrix.Device, bytes);
        matrix.Dequantize(buffer.View(matrix.DataType, matrix.Rows, matrix.Columns));
        WriteBuffer(name, buffer, writer);
    }

    private static void WriteBuffer(string name, DeviceBuffer buffer, SafetensorsWriter writer)
    {
        byte[] piece = ArrayPool<byte>.Shared.Rent((int)Math.Min(PieceBytes, buffer.ByteLength));
        try
        {
            for (long offset = 0; offset < buffer.ByteLength; offset += piece.Length)
            {
                Span<byte> span = piece.AsSpan(0, (int)Math.Min(piece.Length, buffer.ByteLength - offset));
                buffer.Read(span, offset);
                writer.Write(name, span);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    private static string StateName(string name, QuantType quantType) =>
        name + QuantizedWeightReader.StateSuffix + QuantizedWeightReader.NameOf(quantType);

    private static byte[] State(Matrix4Bit matrix, float nestedOffset) => new QuantState4Bit
    {
        QuantType = QuantizedWeightReader.NameOf(matrix.QuantType),
        Blocksize = matrix.Blocksize,
        DataType = matrix.DataType,
        Shape = [matrix.Rows, matrix.Columns],
        NestedBlocksize = matrix.NestedBlocksize == 0 ? null : matrix.NestedBlocksize,
        NestedOffset = nestedOffset,
    }.ToJson();

    private static ReadOnlySpan<byte> Bytes(float[] values) => MemoryMarshal.AsBytes(values.AsSpan());

    private static long DivideUp(long value, long divisor) => (value + divisor - 1) / divisor;
}

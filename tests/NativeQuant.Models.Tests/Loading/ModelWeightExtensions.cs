using System.Runtime.InteropServices;

namespace NativeQuant.Models.Tests;

internal static class ModelWeightExtensions
{
    // The numbers of a weight, dequantized.
    public static float[] ToFloats(this ModelWeight weight)
    {
        long count = weight.Shape.Aggregate(1L, (product, dimension) => product * dimension);
        float[] values = new float[count];
        if (weight.Matrix is Matrix matrix)
        {
            using var buffer = new DeviceBuffer(matrix.Device, count * sizeof(float));
            matrix.Dequantize(buffer.View(DataType.Float32, matrix.Rows, matrix.Columns));
            buffer.Read(values.AsSpan());
            return values;
        }
        byte[] bytes = new byte[weight.Vector.Buffer.ByteLength];
        weight.Vector.Buffer.Read(bytes.AsSpan());
        return weight.Vector.DataType switch
        {
            DataType.BFloat16 => Array.ConvertAll(MemoryMarshal.Cast<byte, ushort>(bytes).ToArray(), bits => BitConverter.UInt32BitsToSingle((uint)bits << 16)),
            DataType.Float16 => Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(bytes).ToArray(), value => (float)value),
            _ => MemoryMarshal.Cast<byte, float>(bytes).ToArray(),
        };
    }
}

using System.Runtime.InteropServices;

namespace NativeQuant.Tests;

// Conversions between the floating-point types, and distances in units in the last place.
internal static class Floats
{
    public static float[] Widen(byte[] bytes, DataType type) => type switch
    {
        DataType.Float32 => MemoryMarshal.Cast<byte, float>(bytes).ToArray(),
        DataType.Float16 => [.. MemoryMarshal.Cast<byte, Half>(bytes).ToArray().Select(value => (float)value)],
        DataType.BFloat16 => [.. MemoryMarshal.Cast<byte, ushort>(bytes).ToArray().Select(bits => BitConverter.UInt32BitsToSingle((uint)bits << 16))],
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a floating-point type"),
    };

    public static byte[] Narrow(ReadOnlySpan<float> values, DataType type)
    {
        switch (type)
        {
            case DataType.Float32:
                return MemoryMarshal.AsBytes(values).ToArray();
            case DataType.Float16:
                var halves = new Half[values.Length];
                for (int i = 0; i < values.Length; i++)
                {
                    halves[i] = (Half)values[i];
                }

                return MemoryMarshal.AsBytes(halves.AsSpan()).ToArray();
            case DataType.BFloat16:
                var upper = new ushort[values.Length];
                for (int i = 0; i < values.Length; i++)
                {
                    uint bits = BitConverter.SingleToUInt32Bits(values[i]);
                    upper[i] = (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
                }

                return MemoryMarshal.AsBytes(upper.AsSpan()).ToArray();
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a floating-point type");
        }
    }

    // Rounds to the type and back.
    public static float[] RoundTo(ReadOnlySpan<float> values, DataType type) => Widen(Narrow(values, type), type);

    // How many float32 numbers lie between a and b.
    public static long UlpDistance(float a, float b) => Math.Abs(Ordered(a) - Ordered(b));

    private static long Ordered(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return bits >= 0 ? bits : (long)int.MinValue - bits;
    }
}

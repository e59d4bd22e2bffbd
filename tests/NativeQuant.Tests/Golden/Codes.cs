namespace NativeQuant.Tests.Golden;

// Comparison of codes: equal, or different for one of the reasons that the vectors' README allows.
internal static class Codes
{
    public static byte[] Unpack(ReadOnlySpan<byte> packed, long count)
    {
        var codes = new byte[count];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (byte)(i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15);
        }

        return codes;
    }

    // Allows another code of the same value (FP4's two zeros, a block of zeros) and a neighbour where y lies within `ulps` of the boundary;
    // one more in a ragged last block, whose reference divides where others multiply by the reciprocal.
    public static void AssertEqual4Bit(float[] input, QuantType type, int blocksize, byte[] expected, byte[] actual)
    {
        var table = new float[16];
        Codebooks.Codebook4Bit(type, table);
        float[] sorted = [.. table.Distinct().Order()];
        int ulps = type == QuantType.FP4 ? 16 : 0;
        AssertEqual(input, table, sorted, blocksize, ulps, expected, actual);
    }

    // Allows the neighbour on an exact tie, another code of the same value, and one ulp in a ragged last block as above.
    public static void AssertEqual8Bit(float[] input, float[] map, int blocksize, byte[] expected, byte[] actual) =>
        AssertEqual(input, map, map, blocksize, 0, expected, actual);

    private static void AssertEqual(float[] input, float[] table, float[] sorted, int blocksize, int ulps, byte[] expected, byte[] actual)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] == actual[i] || table[expected[i]].Equals(table[actual[i]]))
            {
                continue;
            }

            int start = i / blocksize * blocksize;
            ReadOnlySpan<float> block = input.AsSpan(start, Math.Min(blocksize, input.Length - start));
            float absmax = MaxMagnitude(block);
            if (absmax == 0)
            {
                continue;
            }

            float reciprocal = 1 / absmax;
            float y = float.IsFinite(reciprocal) ? input[i] * reciprocal : input[i] / absmax;
            int from = Array.IndexOf(sorted, Math.Min(table[expected[i]], table[actual[i]]));
            float boundary = 0.5f * (sorted[from] + sorted[from + 1]);
            bool neighbours = sorted[from + 1].Equals(Math.Max(table[expected[i]], table[actual[i]]));
            int allowed = ulps + (block.Length < blocksize ? 1 : 0);
            Assert.That(
                neighbours && Floats.UlpDistance(y, boundary) <= allowed,
                $"value {i}: code {actual[i]}, expected {expected[i]}; y = {y:R}, boundary {boundary:R}, {allowed} ulp allowed");
        }
    }

    public static float MaxMagnitude(ReadOnlySpan<float> block)
    {
        float largest = 0;
        foreach (float value in block)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        return largest;
    }

    // Bit for bit, except that a block of zeros may store 0 where the reference stores 1e-38.
    public static void AssertEqualAbsmax(float[] input, int blocksize, float[] expected, float[] actual)
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length));
        for (int b = 0; b < expected.Length; b++)
        {
            int start = b * blocksize;
            bool zeros = MaxMagnitude(input.AsSpan(start, Math.Min(blocksize, input.Length - start))) == 0;
            Assert.That(actual[b], Is.EqualTo(zeros ? 0f : expected[b]), $"absmax of block {b}");
        }
    }
}

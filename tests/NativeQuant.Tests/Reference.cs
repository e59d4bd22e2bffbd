namespace NativeQuant.Tests;

// What the operations compute, in double arithmetic and in the plainest way.
internal static class Reference
{
    // x [m, k] · wᵀ [k, n] + bias.
    public static double[] Linear(float[] x, float[] w, float[]? bias, int m, int n, int k)
    {
        var y = new double[m * n];
        for (int row = 0; row < m; row++)
        {
            for (int column = 0; column < n; column++)
            {
                double sum = bias?[column] ?? 0;
                for (int i = 0; i < k; i++)
                {
                    sum += (double)x[(row * k) + i] * w[(column * k) + i];
                }

                y[(row * n) + column] = sum;
            }
        }

        return y;
    }

    // LLM.int8(): codes and absmax of the weight given, activations quantized here.
    public static double[] LinearInt8(float[] x, sbyte[] codes, float[] rowAbsmax, float[]? bias, float threshold, int m, int n, int k)
    {
        float[] halves = Floats.RoundTo(x, DataType.Float16);
        bool[] outlier = [.. Enumerable.Range(0, k).Select(column =>
            threshold > 0 && Enumerable.Range(0, m).Any(row => Math.Abs(halves[(row * k) + column]) >= threshold))];
        var y = new double[m * n];
        for (int row = 0; row < m; row++)
        {
            float[] line = halves[(row * k)..((row + 1) * k)];
            float absmax = line.Where(value => threshold == 0 || Math.Abs(value) < threshold).Select(Math.Abs).DefaultIfEmpty(0).Max();
            float factor = absmax == 0 ? 0 : 127 / absmax;
            for (int column = 0; column < n; column++)
            {
                long product = 0;
                double exact = bias?[column] ?? 0;
                for (int i = 0; i < k; i++)
                {
                    sbyte code = codes[(column * k) + i];
                    if (outlier[i])
                    {
                        exact += x[(row * k) + i] * (double)code * rowAbsmax[column] / 127;
                    }
                    else
                    {
                        product += (long)MathF.Round(line[i] * factor, MidpointRounding.ToEven) * code;
                    }
                }

                y[(row * n) + column] = exact + (product * (double)absmax * rowAbsmax[column] / (127 * 127));
            }
        }

        return y;
    }

    // A 4-bit layer with int8 activations, on weights with plain absmax: activations in blocks of 64 columns, or of the weights' blocksize.
    public static double[] Linear4BitInt8(float[] x, Matrix4BitStorage weights, float[]? bias, int m)
    {
        (int n, int k, int blocksize) = ((int)weights.Rows, (int)weights.Columns, weights.Blocksize);
        var codebook = new float[16];
        Codebooks.Codebook4Bit(weights.QuantType, codebook);
        int width = Math.Min(blocksize, 64);
        var y = new double[m * n];
        for (int row = 0; row < m; row++)
        {
            for (int column = 0; column < n; column++)
            {
                double sum = bias?[column] ?? 0;
                for (int first = 0; first < k; first += width)
                {
                    float[] block = x[((row * k) + first)..((row * k) + Math.Min(first + width, k))];
                    float absmax = block.Max(Math.Abs);
                    for (int i = 0; i < block.Length; i++)
                    {
                        int flat = (column * k) + first + i;
                        int code = flat % 2 == 0 ? weights.Packed[flat / 2] >> 4 : weights.Packed[flat / 2] & 15;
                        float activation = MathF.Round(block[i] * (127 / absmax), MidpointRounding.ToEven);
                        sum += activation * (double)MathF.Round(127 * codebook[code], MidpointRounding.ToEven) * weights.Absmax![flat / blocksize] * absmax / (127 * 127);
                    }
                }

                y[(row * n) + column] = sum;
            }
        }

        return y;
    }

    // Causal grouped-query attention over keys and values [positions, kvHeads * headDim] for the last t positions.
    public static double[] Attention(float[] q, float[] keys, float[] values, int t, int heads, int kvHeads, int headDim, double scale, int window)
    {
        int positions = keys.Length / (kvHeads * headDim);
        var y = new double[t * heads * headDim];
        for (int row = 0; row < t; row++)
        {
            int last = positions - t + row;
            int first = window > 0 ? Math.Max(0, last - window + 1) : 0;
            for (int head = 0; head < heads; head++)
            {
                int kvHead = head / (heads / kvHeads);
                double[] scores = [.. Enumerable.Range(first, last - first + 1).Select(p => scale * Enumerable.Range(0, headDim).Sum(i =>
                    (double)q[(((row * heads) + head) * headDim) + i] * keys[(((p * kvHeads) + kvHead) * headDim) + i]))];
                double largest = scores.Max();
                double[] weights = [.. scores.Select(score => Math.Exp(score - largest))];
                double sum = weights.Sum();
                for (int i = 0; i < headDim; i++)
                {
                    y[(((row * heads) + head) * headDim) + i] = Enumerable.Range(0, weights.Length).Sum(p =>
                        weights[p] / sum * values[((((first + p) * kvHeads) + kvHead) * headDim) + i]);
                }
            }
        }

        return y;
    }

    // log-softmax of each row of [rows, columns].
    public static double[] LogSoftmax(float[] logits, int columns) => [.. logits.Chunk(columns).SelectMany(row =>
    {
        double largest = row.Max();
        double log = largest + Math.Log(row.Sum(value => Math.Exp(value - largest)));
        return row.Select(value => value - log);
    })];
}

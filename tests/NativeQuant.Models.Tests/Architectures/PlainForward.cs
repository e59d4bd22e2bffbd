namespace NativeQuant.Models.Tests;

// A Llama-like decoder written down from its formulas, in f64, over the whole sequence at once and without a cache: slow and obvious.
internal sealed class PlainForward(SyntheticModel model)
{
    private readonly SyntheticShape _shape = model.Shape;

    // Wavelength-based form of Llama 3.1's scaling, independent of the form in the product.
    public Func<double, double> ScaleFrequency { get; init; } = static frequency => frequency;

    public int Window { get; init; } = int.MaxValue;

    // Logits [ids, vocabulary].
    public double[][] Logits(int[] ids)
    {
        double[][] x = [.. ids.Select(id => Row("model.embed_tokens.weight", id))];
        for (int layer = 0; layer < _shape.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            double[][] attended = Attention(prefix + "self_attn.", [.. x.Select(row => Norm(prefix + "input_layernorm.weight", row))]);
            x = [.. x.Zip(attended, Add)];
            double[][] widened = [.. x.Select(row => Mlp(prefix + "mlp.", Norm(prefix + "post_attention_layernorm.weight", row)))];
            x = [.. x.Zip(widened, Add)];
        }
        string head = _shape.Tied ? "model.embed_tokens" : "lm_head";
        return [.. x.Select(row => Linear(head, Norm("model.norm.weight", row)))];
    }

    private double[][] Attention(string prefix, double[][] x)
    {
        double[][] queries = [.. x.Select((row, position) => Rotate(Linear(prefix + "q_proj", row), position))];
        double[][] keys = [.. x.Select((row, position) => Rotate(Linear(prefix + "k_proj", row), position))];
        double[][] values = [.. x.Select(row => Linear(prefix + "v_proj", row))];
        int d = _shape.HeadDim;
        int group = _shape.Heads / _shape.KeyValueHeads;
        double[][] result = new double[x.Length][];
        for (int t = 0; t < x.Length; t++)
        {
            double[] y = new double[_shape.Heads * d];
            for (int head = 0; head < _shape.Heads; head++)
            {
                int kv = head / group * d;
                int first = (int)Math.Max(0, (long)t - Window + 1);
                double[] scores = new double[t + 1];
                for (int p = first; p <= t; p++)
                {
                    for (int i = 0; i < d; i++)
                    {
                        scores[p] += queries[t][head * d + i] * keys[p][kv + i] / Math.Sqrt(d);
                    }
                }
                double[] weights = [.. scores.Select((score, p) => p < first ? 0 : Math.Exp(score))];
                double sum = weights.Sum();
                for (int p = first; p <= t; p++)
                {
                    for (int i = 0; i < d; i++)
                    {
                        y[head * d + i] += weights[p] / sum * values[p][kv + i];
                    }
                }
            }
            result[t] = Linear(prefix + "o_proj", y);
        }
        return result;
    }

    private double[] Rotate(double[] x, int position)
    {
        int d = _shape.HeadDim;
        double[] y = new double[x.Length];
        for (int start = 0; start < x.Length; start += d)
        {
            for (int i = 0; i < d / 2; i++)
            {
                double angle = position * ScaleFrequency(1 / Math.Pow(_shape.Theta, 2.0 * i / d));
                double a = x[start + i];
                double b = x[start + i + d / 2];
                y[start + i] = a * Math.Cos(angle) - b * Math.Sin(angle);
                y[start + i + d / 2] = b * Math.Cos(angle) + a * Math.Sin(angle);
            }
        }
        return y;
    }

    private double[] Mlp(string prefix, double[] x)
    {
        double[] gate = Linear(prefix + "gate_proj", x);
        double[] up = Linear(prefix + "up_proj", x);
        return Linear(prefix + "down_proj", [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)]);
    }

    private double[] Norm(string name, double[] x)
    {
        double scale = 1 / Math.Sqrt(x.Sum(value => value * value) / x.Length + 1e-5);
        return [.. x.Select((value, i) => value * scale * model.Weights[name][i])];
    }

    private double[] Linear(string module, double[] x)
    {
        float[] weight = model.Weights[module + ".weight"];
        double[] y = new double[weight.Length / x.Length];
        for (int row = 0; row < y.Length; row++)
        {
            for (int i = 0; i < x.Length; i++)
            {
                y[row] += weight[row * x.Length + i] * x[i];
            }
        }
        return model.Weights.TryGetValue(module + ".bias", out float[]? bias) ? [.. y.Select((value, row) => value + bias[row])] : y;
    }

    private double[] Row(string name, int row) =>
        Array.ConvertAll(model.Weights[name].AsSpan(row * _shape.Hidden, _shape.Hidden).ToArray(), value => (double)value);

    private static double[] Add(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];
}

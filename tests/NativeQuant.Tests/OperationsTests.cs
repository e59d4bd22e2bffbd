namespace NativeQuant.Tests;

// Each operation once per implementation against double arithmetic: that arguments arrive where they belong. Kernels are tested natively.
[TestFixtureSource(typeof(Implementations), nameof(Implementations.Supported))]
public class OperationsTests(string implementation)
{
    private Device _device = null!;
    private DeviceTensors _tensors = null!;

    [SetUp]
    public void Open()
    {
        _device = Implementations.Open(implementation);
        _tensors = new DeviceTensors(_device);
    }

    [TearDown]
    public void Close()
    {
        _tensors.Dispose();
        _device.Dispose();
    }

    [Test]
    public void Embedding_copies_rows_of_the_table()
    {
        float[] table = RandomValues.Normal(7 * 5, 1);
        using DenseMatrix matrix = DenseMatrix.Create(_device, table, 7, 5);
        TensorView y = _tensors.New(DataType.Float32, 3, 5);
        Operations.Embedding(matrix, _tensors.From<uint>([6, 0, 2], DataType.UInt32, 1, 3), y);
        Assert.That(DeviceTensors.Singles(y), Is.EqualTo(table[30..35].Concat(table[..5]).Concat(table[10..15])));
    }

    [Test]
    public void Embedding_names_an_id_outside_the_table()
    {
        using DenseMatrix matrix = DenseMatrix.Create(_device, RandomValues.Normal(35, 1), 7, 5);
        Assert.That(
            () => Operations.Embedding(matrix, _tensors.From<uint>([6, 7], DataType.UInt32, 1, 2), _tensors.New(DataType.Float32, 2, 5)),
            Throws.TypeOf<InvalidWeightsException>().With.Message.Contains("7"));
    }

    [Test]
    public void RmsNorm_divides_by_the_root_of_the_mean_square()
    {
        const int rows = 3, columns = 37;
        float[] x = RandomValues.Normal(rows * columns, 2);
        float[] weight = RandomValues.Normal(columns, 3);
        TensorView y = _tensors.New(DataType.Float32, rows, columns);
        Operations.RmsNorm(F32(x, rows), _tensors.From<float>(weight, DataType.Float32, 1, columns), 1e-3f, y);
        double[] expected = [.. x.Chunk(columns).SelectMany(row =>
        {
            double scale = 1 / Math.Sqrt((row.Sum(value => (double)value * value) / columns) + 1e-3);
            return row.Select((value, i) => value * scale * weight[i]);
        })];
        Closeness.AssertRelativeNorm("y", expected, DeviceTensors.Singles(y), 1e-6);
    }

    [Test]
    public void Rotary_turns_the_halves_of_each_head_by_the_angle_of_the_position()
    {
        const int heads = 3, headDim = 10, half = 4;
        float[] x = RandomValues.Normal(2 * heads * headDim, 4);
        float[] angles = [.. Enumerable.Range(0, 6 * half).Select(i => i * 0.37f)];
        uint[] positions = [5, 1];
        TensorView view = F32(x, 2);
        Operations.Rotary(
            view,
            headDim,
            _tensors.From<uint>(positions, DataType.UInt32, 1, 2),
            F32([.. angles.Select(MathF.Cos)], 6),
            F32([.. angles.Select(MathF.Sin)], 6));
        double[] expected = [.. x.Select(value => (double)value)];
        for (int t = 0; t < 2; t++)
        {
            for (int head = 0; head < heads; head++)
            {
                for (int i = 0; i < half; i++)
                {
                    int at = (((t * heads) + head) * headDim) + i;
                    float angle = angles[(positions[t] * half) + i];
                    (double c, double s) = (MathF.Cos(angle), MathF.Sin(angle));
                    expected[at] = (x[at] * c) - (x[at + half] * s);
                    expected[at + half] = (x[at + half] * c) + (x[at] * s);
                }
            }
        }

        Closeness.AssertRelativeNorm("x", expected, DeviceTensors.Singles(view), 1e-6);
    }

    [TestCase(0)]
    [TestCase(3)]
    public void Attention_is_the_same_for_a_prompt_at_once_and_token_by_token(int window)
    {
        const int positions = 9, heads = 4, kvHeads = 2, headDim = 8;
        float[] q = RandomValues.Normal(positions * heads * headDim, 5);
        float[] keys = RandomValues.Normal(positions * kvHeads * headDim, 6);
        float[] values = RandomValues.Normal(positions * kvHeads * headDim, 7);
        double[] expected = Reference.Attention(q, keys, values, positions, heads, kvHeads, headDim, 0.3, window);
        TensorView queries = F32(q, positions);
        TensorView k = F32(keys, positions);
        TensorView v = F32(values, positions);
        TensorView y = _tensors.New(DataType.Float32, positions, heads * headDim);
        using var cache = new KvCache(_device, layers: 2, kvHeads, headDim, capacity: 16);

        cache.Append(1, k, v);
        Operations.Attention(cache, 1, queries, 0.3f, window, y);
        Closeness.AssertRelativeNorm("prompt", expected, DeviceTensors.Singles(y), 1e-6);

        for (int t = 0; t < positions; t++)
        {
            cache.Append(0, k.SliceRows(t, 1), v.SliceRows(t, 1));
            Operations.Attention(cache, 0, queries.SliceRows(t, 1), 0.3f, window, y.SliceRows(t, 1));
        }

        Closeness.AssertRelativeNorm("token by token", expected, DeviceTensors.Singles(y), 1e-6);
        Assert.That(cache.Length(0), Is.EqualTo(positions));
    }

    [TestCase(DataType.BFloat16, 4e-3)]
    [TestCase(DataType.Int8, 1e-2)]
    public void A_narrow_cache_reads_back_what_it_holds_and_says_what_it_takes(DataType type, double tolerance)
    {
        const int positions = 70, headDim = 32;
        float[] values = RandomValues.Normal(positions * headDim, 12);
        using var cache = new KvCache(_device, layers: 1, kvHeads: 1, headDim, capacity: 100, type);
        TensorView zeros = F32(new float[positions * headDim], positions);
        TensorView y = _tensors.New(DataType.Float32, positions, headDim);
        Assert.That(cache.Bytes, Is.Zero);
        cache.Append(0, zeros, F32(values, positions));
        Operations.Attention(cache, 0, zeros, 1, window: 1, y); // each position sees its own value alone
        Closeness.AssertRelativeNorm("values", [.. values.Select(value => (double)value)], DeviceTensors.Singles(y), tolerance);
        Assert.That(cache.DataType, Is.EqualTo(type));
        Assert.That(cache.Bytes, Is.EqualTo(2 * 64 * (type == DataType.Int8 ? (2 * headDim) + 8 : 4 * headDim)));
    }

    [Test]
    public void A_truncated_cache_forgets_and_can_be_appended_to_again()
    {
        using var cache = new KvCache(_device, layers: 1, kvHeads: 1, headDim: 4, capacity: 6);
        TensorView five = F32(RandomValues.Normal(20, 8), 5);
        cache.Append(0, five, five);
        Assert.That(() => cache.Append(0, five, five), Throws.ArgumentException);
        cache.Truncate(1);
        Assert.That(cache.Length(), Is.EqualTo(1));
        cache.Append(0, five, five);
        Assert.That(cache.Length(), Is.EqualTo(6));
        Assert.That(() => cache.Length(1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => cache.Truncate(-1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void GatedSilu_multiplies_the_gated_with_the_upward_projection()
    {
        float[] gate = RandomValues.Normal(2 * 31, 9, 3);
        float[] up = RandomValues.Normal(2 * 31, 10);
        TensorView y = _tensors.New(DataType.Float32, 2, 31);
        Operations.GatedSilu(F32(gate, 2), F32(up, 2), y);
        Closeness.AssertRelativeNorm("y", [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)], DeviceTensors.Singles(y), 1e-6);
    }

    [Test]
    public void ResidualAdd_adds_to_its_output()
    {
        float[] x = RandomValues.Normal(33, 11);
        float[] y = RandomValues.Normal(33, 12);
        TensorView view = F32(y, 3);
        Operations.ResidualAdd(F32(x, 3), view);
        Assert.That(DeviceTensors.Singles(view), Is.EqualTo(x.Zip(y, (a, b) => b + a)));
    }

    [Test]
    public void LogSoftmax_and_the_probability_of_a_token_agree_with_double_arithmetic()
    {
        const int columns = 65;
        float[] logits = RandomValues.Normal(3 * columns, 13, 5);
        double[] expected = Reference.LogSoftmax(logits, columns);
        TensorView view = F32(logits, 3);
        TensorView y = _tensors.New(DataType.Float32, 3, columns);
        Operations.LogSoftmax(view, y);
        Closeness.AssertRelativeNorm("log-softmax", expected, DeviceTensors.Singles(y), 1e-6);

        TensorView ofTokens = _tensors.New(DataType.Float32, 1, 3);
        Operations.TokenLogProbability(view, _tensors.From<uint>([64, 0, 7], DataType.UInt32, 1, 3), ofTokens);
        Closeness.AssertRelativeNorm("of tokens", [expected[64], expected[columns], expected[(2 * columns) + 7]], DeviceTensors.Singles(ofTokens), 1e-6);
    }

    private TensorView F32(float[] values, int rows) => _tensors.From<float>(values, DataType.Float32, rows, values.Length / rows);
}

namespace NativeQuant.Tests;

// Linear layers against double arithmetic on the dequantized weights, on ragged shapes.
[TestFixture]
public class LinearTests
{
    private static readonly (int M, int N, int K)[] Shapes = [(1, 1, 1), (1, 40, 96), (3, 17, 65), (2, 33, 130), (9, 64, 128), (5, 100, 257), (1, 130, 1031)];

    public static IEnumerable<TestCaseData> Cases() =>
        from implementation in Implementations.Supported
        from shape in Shapes
        from type in new[] { DataType.Float32, DataType.Float16, DataType.BFloat16 }
        from biased in new[] { false, true }
        select new TestCaseData(implementation, shape.M, shape.N, shape.K, type, biased);

    [TestCaseSource(nameof(Cases))]
    public void A_dense_layer_is_the_product_with_its_weights(string implementation, int m, int n, int k, DataType type, bool biased)
    {
        using var layout = new Layout(implementation, m, n, k, type, biased);
        float[] weights = Floats.RoundTo(layout.Weights, type);
        using var layer = new DenseLinear(DenseMatrix.Create(layout.Device, layout.Weights, n, k, type), layout.BiasView);
        layout.AssertForward(layer, Reference.Linear(layout.X, weights, layout.Bias, m, n, k), 1e-6);
    }

    [TestCaseSource(nameof(Cases))]
    public void A_4_bit_layer_is_the_product_with_its_dequantized_weights(string implementation, int m, int n, int k, DataType type, bool biased)
    {
        using var layout = new Layout(implementation, m, n, k, type, biased);
        foreach ((QuantType quantType, int blocksize, bool doubleQuant) in new[] { (QuantType.NF4, 64, true), (QuantType.FP4, 32, false), (QuantType.NF4, 4096, false) })
        {
            using var layer = new Linear4Bit(Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, quantType, blocksize, doubleQuant), layout.NewBias());
            layout.AssertForward(layer, Reference.Linear(layout.X, layout.Dequantize(layer.Weight), layout.Bias, m, n, k), 1e-6);
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void An_8_bit_layer_quantizes_its_input_and_keeps_outliers_apart(string implementation, int m, int n, int k, DataType type, bool biased)
    {
        using var layout = new Layout(implementation, m, n, k, type, biased, outlier: 20);
        var codes = new sbyte[n * k];
        var absmax = new float[n];
        foreach (float threshold in new[] { 6f, 0f })
        {
            using var layer = new Linear8Bit(Matrix8Bit.Quantize(layout.Device, layout.Weights, n, k), layout.NewBias(), threshold);
            ((Matrix8Bit)layer.Weight).Export(codes, absmax);
            layout.AssertForward(layer, Reference.LinearInt8(layout.X, codes, absmax, layout.Bias, threshold, m, n, k), 2e-6);
        }
    }

    [TestCaseSource(typeof(Implementations), nameof(Implementations.Supported))]
    public void The_compute_type_rounds_operands_and_result(string implementation)
    {
        const int m = 3, n = 20, k = 64;
        using var layout = new Layout(implementation, m, n, k, DataType.Float32, biased: true);
        using var layer = new Linear4Bit(Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, QuantType.NF4), layout.NewBias(), DataType.BFloat16);
        double[] expected = Reference.Linear(
            Floats.RoundTo(layout.X, DataType.BFloat16),
            Floats.RoundTo(layout.Dequantize(layer.Weight), DataType.BFloat16),
            Floats.RoundTo(layout.Bias!, DataType.BFloat16),
            m,
            n,
            k);
        float[] y = layout.Forward(layer);
        Assert.That(y, Is.EqualTo(Floats.RoundTo(y, DataType.BFloat16)), "the result is a bfloat16 number");
        Closeness.AssertRelativeNorm("y", expected, y, Math.Pow(2, -8));
    }

    [TestCaseSource(nameof(Cases))]
    public void The_int8_compute_type_rounds_blocks_of_activations_and_the_codebook(string implementation, int m, int n, int k, DataType type, bool biased)
    {
        using var layout = new Layout(implementation, m, n, k, type, biased, outlier: 20);
        foreach ((QuantType quantType, int blocksize) in new[] { (QuantType.NF4, 64), (QuantType.FP4, 32), (QuantType.NF4, 128) })
        {
            using Matrix4Bit weight = Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, quantType, blocksize);
            using var layer = new Linear4Bit(weight, layout.NewBias(), DataType.Int8);
            Assert.That(layer.ComputeType, Is.EqualTo(DataType.Int8));
            layout.AssertForward(layer, Reference.Linear4BitInt8(layout.X, weight.Export(), layout.Bias, m), 2e-6);
        }
    }

    [TestCaseSource(typeof(Implementations), nameof(Implementations.Supported))]
    public void The_int8_compute_type_stays_within_its_error_and_float32_is_unchanged_by_it(string implementation)
    {
        const int m = 5, n = 96, k = 1024;
        using var layout = new Layout(implementation, m, n, k, DataType.Float32, biased: false);
        using Matrix4Bit weight = Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, QuantType.NF4, doubleQuant: true);
        double[] exact = Reference.Linear(layout.X, layout.Dequantize(weight), null, m, n, k);
        using var fast = new Linear4Bit(weight, null, DataType.Int8);
        Closeness.AssertRelativeNorm("int8", exact, layout.Forward(fast), 1.2e-2);
        using var plain = new Linear4Bit(Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, QuantType.NF4, doubleQuant: true), null);
        Assert.That(plain.ComputeType, Is.EqualTo(DataType.Float32));
        Closeness.AssertRelativeNorm("float32", exact, layout.Forward(plain), 1e-6);
    }

    [TestCaseSource(typeof(Implementations), nameof(Implementations.Supported))]
    public void Many_threads_may_share_a_layer(string implementation)
    {
        const int m = 3, n = 70, k = 130, threads = 4;
        using var layout = new Layout(implementation, m, n, k, DataType.Float32, biased: true);
        using var four = new Linear4Bit(Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, QuantType.NF4), layout.NewBias());
        using var eight = new Linear8Bit(Matrix8Bit.Quantize(layout.Device, layout.Weights, n, k), layout.NewBias());
        foreach (Linear layer in new Linear[] { four, eight })
        {
            float[] expected = layout.Forward(layer);
            var results = new List<float[]>[threads];
            Thread[] workers = [.. Enumerable.Range(0, threads).Select(worker => new Thread(() =>
            {
                using var own = new DeviceTensors(layout.Device);
                TensorView x = own.From<float>(layout.X, DataType.Float32, m, k);
                TensorView y = own.New(DataType.Float32, m, n);
                results[worker] = [];
                for (int round = 0; round < 50; round++)
                {
                    layer.Forward(x, y);
                    results[worker].Add(DeviceTensors.Singles(y));
                }
            }))];
            Array.ForEach(workers, worker => worker.Start());
            Array.ForEach(workers, worker => worker.Join());
            Assert.That(results.SelectMany(result => result), Has.Exactly(threads * 50).EqualTo(expected));
        }
    }

    [TestCaseSource(typeof(Implementations), nameof(Implementations.Supported))]
    public void A_group_gives_what_its_layers_give_alone(string implementation)
    {
        const int m = 3, n = 70, k = 128;
        using var layout = new Layout(implementation, m, n, k, DataType.Float32, biased: true, outlier: 20);
        using var own = new DeviceTensors(layout.Device);
        using var dense = new DenseLinear(DenseMatrix.Create(layout.Device, layout.Weights, n, k, DataType.BFloat16), null);
        using var four = new Linear4Bit(Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, QuantType.NF4), layout.NewBias(), DataType.BFloat16);
        using var fast = new Linear4Bit(Matrix4Bit.Quantize(layout.Device, layout.Weights, n, k, QuantType.FP4), null, DataType.Int8);
        using var eight = new Linear8Bit(Matrix8Bit.Quantize(layout.Device, layout.Weights, n, k), layout.NewBias(), 4);
        Linear[] layers = [dense, four, fast, eight];
        TensorView x = own.From<float>(layout.X, DataType.Float32, m, k);
        TensorView[] alone = [.. layers.Select(_ => own.New(DataType.Float32, m, n))];
        TensorView[] together = [.. layers.Select(_ => own.New(DataType.Float32, m, n))];
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i].Forward(x, alone[i]);
        }

        Linear.ForwardGroup(layers, x, together);
        Assert.That(together.Select(view => DeviceTensors.Singles(view)), Is.EqualTo(alone.Select(view => DeviceTensors.Singles(view))));

        Linear.ForwardGatedSilu(four, eight, x, together[0], together[1]);
        Operations.GatedSilu(alone[1], alone[3], alone[0]);
        Assert.That(DeviceTensors.Singles(together[0]), Is.EqualTo(DeviceTensors.Singles(alone[0])));

        fast.ForwardAdd(x, together[3]);
        Operations.ResidualAdd(alone[2], alone[3]);
        Assert.That(DeviceTensors.Singles(together[3]), Is.EqualTo(DeviceTensors.Singles(alone[3])));
    }

    [Test]
    public void A_group_that_does_not_fit_is_refused()
    {
        using Device device = Device.Open();
        using var tensors = new DeviceTensors(device);
        using var layer = new DenseLinear(DenseMatrix.Create(device, RandomValues.Normal(12, 1), 3, 4), null);
        TensorView x = tensors.New(DataType.Float32, 1, 4);
        TensorView y = tensors.New(DataType.Float32, 1, 3);
        Assert.That(() => Linear.ForwardGroup([], x, []), Throws.ArgumentException.With.Message.Contains("0 layers and 0 outputs"));
        Assert.That(() => Linear.ForwardGroup([layer, layer], x, [y]), Throws.ArgumentException.With.Message.Contains("2 layers and 1 outputs"));
        Assert.That(() => Linear.ForwardGroup([layer, layer], x, [y, y]), Throws.ArgumentException.With.Message.Contains("overlaps"));
        Assert.That(() => Linear.ForwardGroup([null!], x, [y]), Throws.ArgumentNullException);
        Assert.That(() => layer.ForwardAdd(x, x), Throws.ArgumentException);
    }

    [Test]
    public void A_bias_of_another_length_is_refused()
    {
        using Device device = Device.Open();
        using var tensors = new DeviceTensors(device);
        using DenseMatrix weight = DenseMatrix.Create(device, RandomValues.Normal(12, 1), 3, 4);
        Assert.That(
            () => new DenseLinear(weight, tensors.New(DataType.Float32, 1, 4)),
            Throws.ArgumentException.With.Message.Contains("[1, 4]").And.Message.Contains("3 elements"));
        Assert.That(() => new DenseLinear(weight, default(TensorView)), Throws.ArgumentException);
        Assert.That(() => new DenseLinear(null!, null), Throws.ArgumentNullException);
    }

    [Test]
    public void Settings_out_of_range_are_refused()
    {
        using Device device = Device.Open();
        using Matrix4Bit four = Matrix4Bit.Quantize(device, RandomValues.Normal(12, 1), 3, 4, QuantType.NF4);
        using Matrix8Bit eight = Matrix8Bit.Quantize(device, RandomValues.Normal(12, 1), 3, 4);
        Assert.That(() => new Linear4Bit(four, null, DataType.UInt8), Throws.ArgumentException.With.Message.Contains("UInt8").And.Message.Contains("Float32"));
        Assert.That(() => new Linear4Bit(four, null, DataType.Int32), Throws.ArgumentException.With.Message.Contains("Int32"));
        Assert.That(() => new Linear8Bit(eight, null, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new Linear8Bit(eight, null, float.NaN), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Shapes_that_do_not_fit_are_refused_with_both_shapes_named()
    {
        using Device device = Device.Open();
        using var tensors = new DeviceTensors(device);
        using var layer = new Linear4Bit(Matrix4Bit.Quantize(device, RandomValues.Normal(12, 1), 3, 4, QuantType.NF4), null);
        TensorView x = tensors.New(DataType.Float32, 2, 5);
        Assert.That(() => layer.Forward(x, tensors.New(DataType.Float32, 2, 3)), Throws.ArgumentException.With.Message.Contains("5").And.Message.Contains("4"));
        Assert.That(() => layer.Forward(x.SliceColumns(0, 4), tensors.New(DataType.Float32, 1, 3)), Throws.ArgumentException);
        Assert.That(() => layer.Forward(x.SliceRows(0, 0), x.SliceRows(0, 0)), Throws.ArgumentException, "no rows");
        Assert.That(() => layer.Forward(default, tensors.New(DataType.Float32, 2, 3)), Throws.ArgumentException.With.Property("ParamName").EqualTo("x"));
    }

    // A layer's arguments of one shape, type and implementation.
    private sealed class Layout : IDisposable
    {
        private readonly DeviceTensors _tensors;
        private readonly DataType _type;
        private readonly int _m;
        private readonly int _n;
        private readonly int _k;

        public Layout(string implementation, int m, int n, int k, DataType type, bool biased, float outlier = 0)
        {
            (_m, _n, _k, _type) = (m, n, k, type);
            Device = Implementations.Open(implementation);
            _tensors = new DeviceTensors(Device);
            Weights = RandomValues.Normal(n * k, (n * 1000) + k, 0.1f);
            float[] x = RandomValues.Normal(m * k, (m * 1000) + k);
            if (outlier != 0)
            {
                x[x.Length / 2] = outlier;
            }

            X = Floats.RoundTo(x, type);
            Bias = biased ? Floats.RoundTo(RandomValues.Normal(n, n), type) : null;
            BiasView = NewBias();
        }

        public Device Device { get; }

        public float[] X { get; }

        public float[] Weights { get; }

        public float[]? Bias { get; }

        public TensorView? BiasView { get; }

        // A layer takes its bias over, so each needs its own.
        public TensorView? NewBias() => Bias is null ? null : _tensors.Rounded(Bias, _type, 1, _n);

        public float[] Dequantize(Matrix matrix)
        {
            TensorView output = _tensors.New(DataType.Float32, _n, _k);
            matrix.Dequantize(output);
            return DeviceTensors.Singles(output);
        }

        public float[] Forward(Linear layer)
        {
            // Rows with a gap between them: what a slice of fused projections looks like.
            TensorView wide = _tensors.New(_type, _m, _k + 3);
            TensorView x = wide.SliceColumns(0, _k);
            byte[] bytes = Floats.Narrow(X, _type);
            int rowBytes = _k * _type.ByteSize();
            for (int row = 0; row < _m; row++)
            {
                wide.Buffer.Write<byte>(bytes.AsSpan(row * rowBytes, rowBytes), row * wide.RowStride * _type.ByteSize());
            }

            TensorView y = _tensors.New(_type, _m, _n);
            layer.Forward(x, y);
            return DeviceTensors.Singles(y);
        }

        // Beyond the stated float32 error, the result is rounded once to its own type.
        public void AssertForward(Linear layer, double[] expected, double tolerance) => Closeness.AssertRelativeNorm(
            layer.Weight.ToString()!,
            expected,
            Forward(layer),
            (tolerance * Math.Max(1, Math.Sqrt(_k / 4096.0))) + (_type switch
            {
                DataType.Float16 => Math.Pow(2, -11),
                DataType.BFloat16 => Math.Pow(2, -8),
                _ => 0,
            }));

        public void Dispose()
        {
            _tensors.Dispose();
            Device.Dispose();
        }
    }
}

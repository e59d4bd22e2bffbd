namespace NativeQuant.Tests.Golden;

// LLM.int8(): row-wise quantization, integer product, its epilogue, and the whole layer.
internal static class Int8Check
{
    public static void RunQuantize(GoldenCase golden, DeviceTensors tensors)
    {
        float threshold = golden.Parameters.GetProperty("threshold").GetSingle();
        GoldenTensor codes = golden["q"];
        GoldenTensor absmax = golden["stats"];
        AssertQuantized(golden["input"], threshold, codes, absmax, golden.Find("outlier_cols"), tensors);
        foreach (string role in golden.Roles.Where(role => role.StartsWith("dequant_", StringComparison.Ordinal)))
        {
            GoldenTensor expected = golden[role];
            TensorView output = tensors.New(expected.DataType, codes.Rows, codes.Columns);
            Operations.DequantizeInt8Rows(
                tensors.From(codes.Bytes, DataType.Int8, codes.Rows, codes.Columns),
                tensors.From(absmax.Bytes, DataType.Float32, 1, absmax.Count),
                output);
            Assert.That(DeviceTensors.Bytes(output), Is.EqualTo(expected.Bytes), role);
        }
    }

    public static void RunMatmul(GoldenCase golden, DeviceTensors tensors)
    {
        float threshold = golden.Parameters.GetProperty("threshold").GetSingle();
        GoldenTensor a = golden.WithPrefix("A_");
        GoldenTensor w = golden.WithPrefix("W_");
        GoldenTensor cb = golden["CB"];
        GoldenTensor scb = golden["SCB"];
        AssertQuantized(w, 0, cb, scb, null, tensors);
        AssertQuantized(a, threshold, golden["CA"], golden["SCA"], golden["outlier_cols"], tensors);
        AssertQuantized(a, 0, golden["CA_t0"], golden["SCA_t0"], null, tensors);
        AssertMatrixHolds(w, cb, scb, tensors);
        AssertProduct(golden, a, cb, scb, tensors);

        // The layer sees the activations in the type of its output, as bitsandbytes did.
        foreach (string role in golden.Roles)
        {
            if (role.StartsWith("mixed_", StringComparison.Ordinal) || role.StartsWith("scaled_", StringComparison.Ordinal))
            {
                AssertLayer(golden, role, role[0] == 'm' ? threshold : 0, tensors);
            }
        }
    }

    private static void AssertQuantized(
        GoldenTensor input, float threshold, GoldenTensor codes, GoldenTensor absmax, GoldenTensor? outlierColumns, DeviceTensors tensors)
    {
        TensorView actualCodes = tensors.New(DataType.Int8, input.Rows, input.Columns);
        TensorView actualAbsmax = tensors.New(DataType.Float32, 1, input.Rows);
        TensorView actualOutliers = tensors.New(DataType.UInt8, 1, input.Columns);
        Operations.QuantizeInt8Rows(
            tensors.From(input.Bytes, input.DataType, input.Rows, input.Columns), threshold, actualCodes, actualAbsmax, actualOutliers);
        Assert.That(DeviceTensors.Bytes(actualCodes), Is.EqualTo(codes.Bytes), "codes");
        Assert.That(DeviceTensors.Values<float>(actualAbsmax), Is.EqualTo(absmax.As<float>()), "row absmax");
        byte[] marks = DeviceTensors.Bytes(actualOutliers);
        long[] columns = [.. Enumerable.Range(0, marks.Length).Where(column => marks[column] != 0).Select(column => (long)column)];
        Assert.That(columns, Is.EqualTo(outlierColumns?.As<long>() ?? []), "outlier columns");
    }

    private static void AssertMatrixHolds(GoldenTensor w, GoldenTensor cb, GoldenTensor scb, DeviceTensors tensors)
    {
        using var pinned = new PinnedBytes(w.Bytes);
        using Matrix8Bit matrix = Matrix8Bit.Quantize(tensors.Device, pinned.Describe(w.DataType, w.Rows, w.Columns));
        var codes = new sbyte[w.Count];
        var absmax = new float[w.Rows];
        matrix.Export(codes, absmax);
        Assert.That(codes, Is.EqualTo(cb.As<sbyte>()), "codes of the matrix");
        Assert.That(absmax, Is.EqualTo(scb.As<float>()), "row absmax of the matrix");
    }

    private static void AssertProduct(GoldenCase golden, GoldenTensor a, GoldenTensor cb, GoldenTensor scb, DeviceTensors tensors)
    {
        GoldenTensor accumulated = golden["acc_i32"];
        TensorView product = tensors.New(DataType.Int32, a.Rows, cb.Rows);
        Operations.Int8Matmul(
            tensors.From(golden["CA_t0"].Bytes, DataType.Int8, a.Rows, a.Columns), tensors.From(cb.Bytes, DataType.Int8, cb.Rows, cb.Columns), product);
        Assert.That(DeviceTensors.Bytes(product), Is.EqualTo(accumulated.Bytes), "integer product");

        foreach (string role in golden.Roles.Where(role => role.StartsWith("mm_dequant_", StringComparison.Ordinal)))
        {
            GoldenTensor expected = golden[role];
            TensorView output = tensors.New(expected.DataType, a.Rows, cb.Rows);
            Operations.Int8MatmulDequantize(
                product,
                tensors.From(golden["SCA_t0"].Bytes, DataType.Float32, 1, a.Rows),
                tensors.From(scb.Bytes, DataType.Float32, 1, cb.Rows),
                Bias(golden, tensors),
                output);
            Closeness.AssertRelativeToLargest(role, expected.ToSingles(), DeviceTensors.Singles(output), Tolerance(expected.DataType));
        }
    }

    private static void AssertLayer(GoldenCase golden, string role, float threshold, DeviceTensors tensors)
    {
        GoldenTensor a = golden.WithPrefix("A_");
        GoldenTensor cb = golden["CB"];
        GoldenTensor expected = golden[role];
        using Matrix8Bit weight = Matrix8Bit.Import(
            tensors.Device, cb.Rows, cb.Columns, DataType.Float16, cb.As<sbyte>(), golden["SCB"].As<float>());
        using var layer = new Linear8Bit(weight, Bias(golden, tensors), threshold);
        TensorView x = tensors.Rounded(a.ToSingles(), expected.DataType, a.Rows, a.Columns);
        TensorView y = tensors.New(expected.DataType, a.Rows, cb.Rows);
        layer.Forward(x, y);
        Closeness.AssertRelativeToLargest(role, expected.ToSingles(), DeviceTensors.Singles(y), Tolerance(expected.DataType));
    }

    private static TensorView? Bias(GoldenCase golden, DeviceTensors tensors) =>
        golden.Roles.Any(role => role.StartsWith("bias_", StringComparison.Ordinal)) && golden.WithPrefix("bias_") is var bias
            ? tensors.From(bias.Bytes, bias.DataType, 1, bias.Count)
            : null;

    private static double Tolerance(DataType type) => type switch
    {
        DataType.Float32 => 5e-5,
        DataType.Float16 => Math.Pow(2, -10),
        _ => Math.Pow(2, -7),
    };
}

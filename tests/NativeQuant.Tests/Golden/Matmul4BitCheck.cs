namespace NativeQuant.Tests.Golden;

// matmul_4bit: the layer over an imported matrix, computing in the type of its input.
internal static class Matmul4BitCheck
{
    public static void Run(GoldenCase golden, DeviceTensors tensors)
    {
        GoldenTensor x = golden["X"];
        GoldenTensor expected = golden["Y"];
        bool nested = golden.Parameters.GetProperty("nested").GetBoolean();
        using Matrix4Bit weight = Matrix4Bit.Import(tensors.Device, new Matrix4BitStorage
        {
            Rows = expected.Columns,
            Columns = x.Columns,
            QuantType = golden.QuantType,
            DataType = x.DataType,
            Blocksize = golden.Integer("blocksize"),
            NestedBlocksize = nested ? 256 : 0,
            Packed = golden["packed"].Bytes,
            Absmax = nested ? null : golden["absmax"].As<float>(),
            AbsmaxCodes = nested ? golden["absmax_codes"].Bytes : null,
            NestedAbsmax = nested ? golden["nested_absmax"].As<float>() : null,
            NestedMap = nested ? BlockwiseCheck.Map("dynamic_signed") : null,
            NestedOffset = nested ? golden["offset"].As<float>()[0] : 0,
        });
        TensorView? bias = golden.Find("bias") is { } stored ? tensors.From(stored.Bytes, stored.DataType, 1, stored.Count) : null;
        using var layer = new Linear4Bit(weight, bias, x.DataType);
        TensorView y = tensors.New(expected.DataType, expected.Rows, expected.Columns);
        layer.Forward(tensors.From(x.Bytes, x.DataType, x.Rows, x.Columns), y);

        double tolerance = expected.DataType switch
        {
            DataType.Float32 => 1e-5,
            DataType.Float16 => Math.Pow(2, -10),
            _ => Math.Pow(2, -7),
        };
        Closeness.AssertRelativeToLargest("Y", expected.ToSingles(), DeviceTensors.Singles(y), tolerance);
    }
}

namespace NativeQuant.Tests.Golden;

// quantize_4bit and dequantize_4bit, as operations on tensors and as a matrix.
internal static class FourBitCheck
{
    public static void Run(GoldenCase golden, DeviceTensors tensors)
    {
        GoldenTensor input = golden["input"];
        int blocksize = golden.Integer("blocksize");
        QuantType type = golden.QuantType;
        (byte[] packed, float[] absmax) = Quantize(input, type, blocksize, tensors);

        byte[] expectedPacked = golden["packed"].Bytes;
        float[] expectedAbsmax = golden["absmax"].As<float>();
        AssertQuantized(input, type, blocksize, expectedPacked, expectedAbsmax, packed, absmax);
        AssertMatrixHolds(input, type, blocksize, packed, absmax, tensors);

        TensorView packedView = tensors.From(expectedPacked, DataType.UInt8, 1, expectedPacked.Length);
        TensorView absmaxView = tensors.From<float>(expectedAbsmax, DataType.Float32, 1, expectedAbsmax.Length);
        using Matrix4Bit imported = Matrix4Bit.Import(tensors.Device, new Matrix4BitStorage
        {
            Rows = input.Rows,
            Columns = input.Columns,
            QuantType = type,
            DataType = input.DataType,
            Blocksize = blocksize,
            Packed = expectedPacked,
            Absmax = expectedAbsmax,
        });
        foreach (string role in golden.Roles.Where(role => role.StartsWith("dequant_", StringComparison.Ordinal)))
        {
            GoldenTensor expected = golden[role];
            TensorView output = tensors.New(expected.DataType, 1, expected.Count);
            Operations.Dequantize4Bit(packedView, absmaxView, type, blocksize, output);
            Assert.That(DeviceTensors.Bytes(output), Is.EqualTo(expected.Bytes), role);

            TensorView matrix = tensors.New(expected.DataType, input.Rows, input.Columns);
            imported.Dequantize(matrix);
            Assert.That(DeviceTensors.Bytes(matrix), Is.EqualTo(expected.Bytes), role + " of the matrix");
        }
    }

    public static (byte[] Packed, float[] Absmax) Quantize(GoldenTensor input, QuantType type, int blocksize, DeviceTensors tensors)
    {
        TensorView packed = tensors.New(DataType.UInt8, 1, (input.Count + 1) / 2);
        TensorView absmax = tensors.New(DataType.Float32, 1, (input.Count + blocksize - 1) / blocksize);
        Operations.Quantize4Bit(tensors.From(input.Bytes, input.DataType, 1, input.Count), type, blocksize, packed, absmax);
        return (DeviceTensors.Bytes(packed), DeviceTensors.Values<float>(absmax));
    }

    public static void AssertQuantized(
        GoldenTensor input, QuantType type, int blocksize, byte[] expectedPacked, float[] expectedAbsmax, byte[] packed, float[] absmax)
    {
        float[] values = input.ToSingles();
        Codes.AssertEqualAbsmax(values, blocksize, expectedAbsmax, absmax);
        Codes.AssertEqual4Bit(values, type, blocksize, Codes.Unpack(expectedPacked, input.Count), Codes.Unpack(packed, input.Count));
    }

    // Whatever order the device keeps them in, a matrix gives back the codes that the operation computes.
    private static void AssertMatrixHolds(GoldenTensor input, QuantType type, int blocksize, byte[] packed, float[] absmax, DeviceTensors tensors)
    {
        using var pinned = new PinnedBytes(input.Bytes);
        using Matrix4Bit matrix = Matrix4Bit.Quantize(tensors.Device, pinned.Describe(input.DataType, input.Rows, input.Columns), type, blocksize);
        Matrix4BitStorage storage = matrix.Export();
        Assert.That(storage.Packed, Is.EqualTo(packed), "packed codes of the matrix");
        Assert.That(storage.Absmax, Is.EqualTo(absmax), "absmax of the matrix");
    }
}

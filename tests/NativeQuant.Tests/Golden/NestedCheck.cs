namespace NativeQuant.Tests.Golden;

// Double quantization: quantize_4bit with compressed statistics.
internal static class NestedCheck
{
    public static void Run(GoldenCase golden, DeviceTensors tensors)
    {
        GoldenTensor input = golden["input"];
        int blocksize = golden.Integer("blocksize");
        int nestedBlocksize = golden.Integer("nested_blocksize");
        QuantType type = golden.QuantType;
        byte[] packed = golden["packed"].Bytes;
        float[] plain = golden["absmax_plain"].As<float>();
        float offset = golden["offset"].As<float>()[0];
        byte[] codes = golden["absmax_codes_reference"].Bytes;
        float[] nestedAbsmax = golden["nested_absmax_reference"].As<float>();

        (byte[] actualPacked, float[] actualAbsmax) = FourBitCheck.Quantize(input, type, blocksize, tensors);
        FourBitCheck.AssertQuantized(input, type, blocksize, packed, plain, actualPacked, actualAbsmax);
        AssertStatistics(plain, offset, codes, nestedAbsmax, nestedBlocksize, tensors);
        AssertRestored(golden["absmax_restored"].As<float>(), offset, codes, nestedAbsmax, nestedBlocksize, tensors);

        using Matrix4Bit matrix = Matrix4Bit.Import(tensors.Device, new Matrix4BitStorage
        {
            Rows = input.Rows,
            Columns = input.Columns,
            QuantType = type,
            DataType = input.DataType,
            Blocksize = blocksize,
            NestedBlocksize = nestedBlocksize,
            Packed = packed,
            AbsmaxCodes = codes,
            NestedAbsmax = nestedAbsmax,
            NestedMap = BlockwiseCheck.Map("dynamic_signed"),
            NestedOffset = offset,
        });
        foreach (string role in golden.Roles.Where(role => role.StartsWith("dequant_", StringComparison.Ordinal)))
        {
            GoldenTensor expected = golden[role];
            TensorView output = tensors.New(expected.DataType, input.Rows, input.Columns);
            matrix.Dequantize(output);
            Assert.That(DeviceTensors.Bytes(output), Is.EqualTo(expected.Bytes), role);
        }
    }

    // The offset is a mean, whose last bit depends on the order of summation; given the reference's offset the rest is exact.
    private static void AssertStatistics(float[] absmax, float offset, byte[] codes, float[] nestedAbsmax, int nestedBlocksize, DeviceTensors tensors)
    {
        TensorView map = tensors.From<float>(BlockwiseCheck.Map("dynamic_signed"), DataType.Float32, 1, 256);
        TensorView actualCodes = tensors.New(DataType.UInt8, 1, codes.Length);
        TensorView actualNested = tensors.New(DataType.Float32, 1, nestedAbsmax.Length);
        TensorView actualOffset = tensors.New(DataType.Float32, 1, 1);
        Operations.QuantizeAbsmax(
            tensors.From<float>(absmax, DataType.Float32, 1, absmax.Length), map, nestedBlocksize, actualCodes, actualNested, actualOffset);
        float ownOffset = DeviceTensors.Values<float>(actualOffset)[0];
        Assert.That(Floats.UlpDistance(ownOffset, offset), Is.LessThanOrEqualTo(1), $"offset {ownOffset:R}, expected {offset:R}");
        float[] own = [.. absmax.Select(value => value - ownOffset)];
        Codes.AssertEqualAbsmax(own, nestedBlocksize, Absmax(own, nestedBlocksize), DeviceTensors.Values<float>(actualNested));

        float[] differences = [.. absmax.Select(value => value - offset)];
        Operations.QuantizeBlockwise(
            tensors.From<float>(differences, DataType.Float32, 1, differences.Length), map, nestedBlocksize, actualCodes, actualNested);
        Codes.AssertEqualAbsmax(differences, nestedBlocksize, nestedAbsmax, DeviceTensors.Values<float>(actualNested));
        Codes.AssertEqual8Bit(differences, BlockwiseCheck.Map("dynamic_signed"), nestedBlocksize, codes, DeviceTensors.Bytes(actualCodes));
    }

    private static float[] Absmax(float[] values, int blocksize) => [.. values.Chunk(blocksize).Select(block => Codes.MaxMagnitude(block))];

    private static void AssertRestored(float[] expected, float offset, byte[] codes, float[] nestedAbsmax, int nestedBlocksize, DeviceTensors tensors)
    {
        TensorView restored = tensors.New(DataType.Float32, 1, expected.Length);
        Operations.DequantizeAbsmax(
            tensors.From(codes, DataType.UInt8, 1, codes.Length),
            tensors.From<float>(BlockwiseCheck.Map("dynamic_signed"), DataType.Float32, 1, 256),
            tensors.From<float>(nestedAbsmax, DataType.Float32, 1, nestedAbsmax.Length),
            tensors.From<float>([offset], DataType.Float32, 1, 1),
            nestedBlocksize,
            restored);
        Assert.That(DeviceTensors.Values<float>(restored), Is.EqualTo(expected), "absmax_restored");
    }
}

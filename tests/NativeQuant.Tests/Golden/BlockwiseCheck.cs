namespace NativeQuant.Tests.Golden;

// quantize_blockwise and dequantize_blockwise.
internal static class BlockwiseCheck
{
    public static void Run(GoldenCase golden, DeviceTensors tensors)
    {
        GoldenTensor input = golden["input"];
        int blocksize = golden.Integer("blocksize");
        float[] map = Map(golden.Parameters.GetProperty("map").GetString()!);
        long blocks = (input.Count + blocksize - 1) / blocksize;
        TensorView mapView = tensors.From<float>(map, DataType.Float32, 1, 256);
        TensorView codes = tensors.New(DataType.UInt8, 1, input.Count);
        TensorView absmax = tensors.New(DataType.Float32, 1, blocks);

        Operations.QuantizeBlockwise(tensors.From(input.Bytes, input.DataType, 1, input.Count), mapView, blocksize, codes, absmax);

        float[] values = input.ToSingles();
        byte[] expectedCodes = golden["codes_reference"].Bytes;
        float[] expectedAbsmax = golden["absmax_reference"].As<float>();
        byte[] actualCodes = DeviceTensors.Bytes(codes);
        Codes.AssertEqualAbsmax(values, blocksize, expectedAbsmax, DeviceTensors.Values<float>(absmax));
        Codes.AssertEqual8Bit(values, map, blocksize, expectedCodes, actualCodes);
        if (golden.Find("codes_cpu_native") is { } native)
        {
            AssertNear(values, expectedAbsmax, blocksize, native.Bytes, actualCodes);
        }

        TensorView referenceCodes = tensors.From(expectedCodes, DataType.UInt8, 1, input.Count);
        TensorView referenceAbsmax = tensors.From<float>(expectedAbsmax, DataType.Float32, 1, blocks);
        foreach (string role in golden.Roles.Where(role => role.StartsWith("dequant_", StringComparison.Ordinal)))
        {
            GoldenTensor expected = golden[role];
            TensorView output = tensors.New(expected.DataType, 1, expected.Count);
            Operations.DequantizeBlockwise(referenceCodes, mapView, referenceAbsmax, blocksize, output);
            Assert.That(DeviceTensors.Bytes(output), Is.EqualTo(expected.Bytes), role);
        }
    }

    public static float[] Map(string name)
    {
        var map = new float[256];
        Codebooks.DynamicMap(
            name switch
            {
                "dynamic_signed" => true,
                "dynamic_unsigned" => false,
                _ => throw new InvalidDataException($"unknown map {name}"),
            },
            map);
        return map;
    }

    // bitsandbytes' own CPU library approximates: within one code, away from zero.
    private static void AssertNear(float[] values, float[] absmax, int blocksize, byte[] expected, byte[] actual)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (Math.Abs(values[i]) > 1e-4f * absmax[i / blocksize])
            {
                Assert.That(Math.Abs(expected[i] - actual[i]), Is.LessThanOrEqualTo(1), $"value {i} against the native library's code");
            }
        }
    }
}

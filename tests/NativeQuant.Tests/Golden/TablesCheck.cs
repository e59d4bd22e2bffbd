namespace NativeQuant.Tests.Golden;

// Codebooks bit for bit, decision boundaries by what the quantizer decides on either side of them, other 8-bit maps by use.
internal static class TablesCheck
{
    public static void Run(GoldenCase golden, DeviceTensors tensors)
    {
        foreach (string role in golden.Roles)
        {
            switch (role)
            {
                case "dynamic_map_signed":
                case "dynamic_map_unsigned":
                    var map = new float[256];
                    Codebooks.DynamicMap(role == "dynamic_map_signed", map);
                    AssertSameBits(role, golden[role].As<float>(), map);
                    AssertMapIsUsable(role, map, tensors);
                    break;
                case "codebook_nf4":
                    AssertCodebook(role, golden, QuantType.NF4);
                    break;
                case "codebook_fp4":
                    AssertCodebook(role, golden, QuantType.FP4);
                    break;
                case "bounds_nf4":
                    AssertBoundaries(golden[role].As<float>(), golden["order_nf4"].As<long>(), QuantType.NF4, ulps: 1, tensors);
                    break;
                case "bounds_fp4":
                    AssertBoundaries(golden[role].As<float>(), golden["order_fp4"].As<long>(), QuantType.FP4, ulps: 16, tensors);
                    break;
                case "order_nf4":
                    AssertOrder(golden[role].As<long>(), QuantType.NF4);
                    break;
                case "order_fp4":
                    AssertOrder(golden[role].As<long>(), QuantType.FP4);
                    break;
                case "linear_map_signed":
                case "linear_map_unsigned":
                case "fp8_map_e5m2":
                case "fp8_map_e4m3":
                    AssertMapIsUsable(role, golden[role].As<float>(), tensors);
                    break;
                case "codebook_af4":
                    // A table without a quantizer, in bitsandbytes too: there is no behaviour to compare.
                    break;
                default:
                    Assert.Fail($"no check for table {role}");
                    break;
            }
        }
    }

    private static void AssertSameBits(string role, float[] expected, float[] actual) =>
        Assert.That(actual.Select(BitConverter.SingleToUInt32Bits), Is.EqualTo(expected.Select(BitConverter.SingleToUInt32Bits)), role);

    private static void AssertCodebook(string role, GoldenCase golden, QuantType type)
    {
        var values = new float[16];
        Codebooks.Codebook4Bit(type, values);
        AssertSameBits(role, golden[role].As<float>(), values);
    }

    private static void AssertOrder(long[] order, QuantType type)
    {
        var values = new float[16];
        Codebooks.Codebook4Bit(type, values);
        Assert.That(order.Select(code => values[code]), Is.Ordered, "codes sorted by value");
        Assert.That(order, Is.Unique);
    }

    // A block of 1 and then values `ulps` below and above each boundary: the codes must be those of the neighbours by value.
    private static void AssertBoundaries(float[] bounds, long[] order, QuantType type, int ulps, DeviceTensors tensors)
    {
        var table = new float[16];
        Codebooks.Codebook4Bit(type, table);
        float[] values = [1f, 1f, .. bounds.SelectMany(bound => new[] { Move(bound, -ulps), Move(bound, ulps) })];
        TensorView packed = tensors.New(DataType.UInt8, 1, (values.Length + 1) / 2);
        TensorView absmax = tensors.New(DataType.Float32, 1, 1);
        Operations.Quantize4Bit(tensors.From<float>(values, DataType.Float32, 1, values.Length), type, 64, packed, absmax);
        byte[] codes = Codes.Unpack(DeviceTensors.Bytes(packed), values.Length);
        Assert.That(DeviceTensors.Values<float>(absmax), Is.EqualTo(new[] { 1f }));
        for (int i = 0; i < bounds.Length; i++)
        {
            Assert.That(table[codes[2 + (2 * i)]], Is.EqualTo(table[order[i]]), $"below boundary {i}");
            Assert.That(table[codes[3 + (2 * i)]], Is.EqualTo(table[order[i + 1]]), $"above boundary {i}");
        }
    }

    private static float Move(float value, int ulps)
    {
        for (int i = 0; i < Math.Abs(ulps); i++)
        {
            value = ulps < 0 ? MathF.BitDecrement(value) : MathF.BitIncrement(value);
        }

        return value;
    }

    // With absmax 1 each code decodes to its map entry; and each entry of an ascending map, in a block that reaches 1, encodes to a code of
    // its own value. (bitsandbytes' signed linear map has its extra zero out of order.)
    private static void AssertMapIsUsable(string role, float[] map, DeviceTensors tensors)
    {
        TensorView mapView = tensors.From<float>(map, DataType.Float32, 1, 256);
        byte[] all = [.. Enumerable.Range(0, 256).Select(code => (byte)code)];
        TensorView decoded = tensors.New(DataType.Float32, 1, 256);
        Operations.DequantizeBlockwise(
            tensors.From(all, DataType.UInt8, 1, 256), mapView, tensors.From<float>([1f], DataType.Float32, 1, 1), 256, decoded);
        AssertSameBits(role + " decoded", map, DeviceTensors.Values<float>(decoded));

        if (!map.SequenceEqual(map.Order()))
        {
            return;
        }

        TensorView codes = tensors.New(DataType.UInt8, 1, 256);
        TensorView absmax = tensors.New(DataType.Float32, 1, 1);
        Operations.QuantizeBlockwise(decoded, mapView, 256, codes, absmax);
        Assert.That(DeviceTensors.Values<float>(absmax), Is.EqualTo(new[] { 1f }), role);
        Assert.That(DeviceTensors.Bytes(codes).Select(code => map[code]), Is.EqualTo(map), role + " encoded");
    }
}

namespace NativeQuant.Tests.Golden;

// Every case of the reference vectors made with bitsandbytes, on every CPU implementation of this machine, with the tolerances of the
// vectors' README.md. Any folder of the same layout will do (NATIVEQUANT_GOLDEN).
[TestFixture]
[Category("Golden")]
public class GoldenTests
{
    private const string Optimizers = "optimizers: later issue";

    public static IEnumerable<TestCaseData> Computed()
    {
        string[] implementations = [.. Implementations.Supported];
        return from golden in GoldenSet.Open(TestData.GoldenFolder).Cases
               where !IsOptimizer(golden)
               from implementation in implementations
               select new TestCaseData(golden, implementation).SetArgDisplayNames(golden.Name, implementation);
    }

    public static IEnumerable<TestCaseData> OptimizerCases() =>
        from golden in GoldenSet.Open(TestData.GoldenFolder).Cases
        where IsOptimizer(golden)
        select new TestCaseData(golden).SetArgDisplayNames(golden.Name);

    [TestCaseSource(nameof(Computed))]
    public void Results_are_those_of_bitsandbytes(object golden, string implementation)
    {
        var reference = (GoldenCase)golden;
        using Device device = Implementations.Open(implementation);
        using var tensors = new DeviceTensors(device);
        switch (reference.Operation)
        {
            case "tables":
                TablesCheck.Run(reference, tensors);
                break;
            case "quantize_blockwise":
                BlockwiseCheck.Run(reference, tensors);
                break;
            case "quantize_4bit":
                FourBitCheck.Run(reference, tensors);
                break;
            case "quantize_4bit nested":
                NestedCheck.Run(reference, tensors);
                break;
            case "int8_vectorwise_quant":
                Int8Check.RunQuantize(reference, tensors);
                break;
            case "int8 matmul":
                Int8Check.RunMatmul(reference, tensors);
                break;
            case "matmul_4bit":
                Matmul4BitCheck.Run(reference, tensors);
                break;
            case "prequantized checkpoint":
                CheckpointCheck.Run(reference, tensors);
                break;
            default:
                Assert.Fail($"{reference.Name}: no check for operation \"{reference.Operation}\"");
                break;
        }
    }

    [TestCaseSource(nameof(OptimizerCases))]
    public void Optimizer_results_are_those_of_bitsandbytes(object golden) => Assert.Ignore(Optimizers);

    [Test]
    public void The_manifest_has_cases() => Assert.That(GoldenSet.Open(TestData.GoldenFolder).Cases, Is.Not.Empty);

    private static bool IsOptimizer(GoldenCase golden) => golden.Operation is "optimizer 8-bit" or "optimizer 32-bit";
}

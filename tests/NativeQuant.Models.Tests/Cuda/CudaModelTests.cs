using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// The sample model on a CUDA device, by default the emulated one, against the CPU: a prompt, then single tokens.
[TestFixture]
public sealed class CudaModelTests
{
    private const double Tolerance = 2e-3;
    private const int Steps = 4;

    private static readonly int[] Prompt = [73, 101, 402, 1201, 17];

    private string _device = null!;

    private static IEnumerable<TestCaseData> Formats() =>
    [
        Format("float16", new LoadOptions { DataType = DataType.Float16 }),
        Format("bfloat16", new LoadOptions { DataType = DataType.BFloat16 }),
        Format("int8", new LoadOptions { Quantization = QuantizationConfig.Int8 }),
        Format("nf4 with double quantization", new LoadOptions { Quantization = QuantizationConfig.NF4DoubleQuant }),
        Format("nf4 in bfloat16", new LoadOptions { Quantization = QuantizationConfig.NF4 with { Bnb4BitComputeType = DataType.BFloat16 } }),
    ];

    [OneTimeSetUp]
    public void Find()
    {
        string? device = CudaUnderTest.Find(out string reason);
        Skip.Unless(device is not null, reason);
        _device = device;
    }

    [TestCaseSource(nameof(Formats))]
    public void Logits_and_greedy_tokens_are_those_of_the_cpu(LoadOptions options)
    {
        using Device cuda = Device.Open(_device), cpu = Device.Open("cpu");
        using CausalLM onCuda = CausalLM.Load(Repository.TinyLlama, options with { Device = cuda, LoadTokenizer = false });
        using CausalLM onCpu = CausalLM.Load(Repository.TinyLlama, options with { Device = cpu, LoadTokenizer = false });
        using GenerationSession cudaSession = onCuda.CreateSession(), cpuSession = onCpu.CreateSession();
        float[] fromCuda = new float[Prompt.Length * onCuda.VocabularySize], fromCpu = new float[fromCuda.Length];

        cudaSession.ForwardAll(Prompt, fromCuda);
        cpuSession.ForwardAll(Prompt, fromCpu);
        AssertClose(fromCuda, fromCpu, "prompt");

        // Single tokens, as the CPU chooses them.
        fromCuda = fromCuda[^onCuda.VocabularySize..];
        fromCpu = fromCpu[^onCpu.VocabularySize..];
        for (int step = 0; step < Steps; step++)
        {
            int token = Largest(fromCpu);
            Assert.That(Largest(fromCuda), Is.EqualTo(token), $"token {step}");
            cudaSession.Forward([token], fromCuda);
            cpuSession.Forward([token], fromCpu);
            AssertClose(fromCuda, fromCpu, $"step {step}");
        }
    }

    [Test]
    public void Sessions_side_by_side_generate_what_one_alone_does()
    {
        using Device cuda = Device.Open(_device);
        using CausalLM model = CausalLM.Load(Repository.TinyLlama, new LoadOptions { Device = cuda, Quantization = QuantizationConfig.NF4 });
        GenerationOptions options = new() { MaxNewTokens = Steps, EosTokenIds = [] };
        int[] alone = Generate();
        int[][] together = [.. new int[2][].AsParallel().WithDegreeOfParallelism(2).Select(_ => Generate())];
        Assert.That(together, Has.All.EqualTo(alone));

        int[] Generate()
        {
            using GenerationSession session = model.CreateSession();
            return [.. session.Generate(Prompt, options).Select(token => token.Id)];
        }
    }

    private static TestCaseData Format(string name, LoadOptions options) => new TestCaseData(options).SetArgDisplayNames(name);

    private static int Largest(float[] logits) => Array.IndexOf(logits, logits.Max());

    private static void AssertClose(float[] actual, float[] expected, string what)
    {
        double difference = 0, size = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow(actual[i] - expected[i], 2);
            size += Math.Pow(expected[i], 2);
        }
        double relative = Math.Sqrt(difference / size);
        TestContext.Out.WriteLine($"{what}: relative difference {relative:e1}");
        Assert.That(relative, Is.LessThan(Tolerance), what);
    }
}

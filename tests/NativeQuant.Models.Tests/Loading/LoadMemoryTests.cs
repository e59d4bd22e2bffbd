using NUnit.Framework;

namespace NativeQuant.Models.Tests;

// Weights are quantized one at a time, straight from the mapped file: loading needs the finished model, the largest tensor in f32 and at
// most 64 MiB more. Measured from outside, by a thread that samples what the system counts as this process's memory without mapped files.
[TestFixture]
[NonParallelizable]
public sealed class LoadMemoryTests : IDisposable
{
    private const long Allowance = 64L << 20;
    private const long LargestTensor = 8L << 20; // parameters of the embedding and of every projection of the MLP

    // 130 million parameters, 260 MB in bf16.
    private readonly SyntheticModel _synthetic = new(new SyntheticShape
    {
        Vocabulary = 8192,
        Hidden = 1024,
        Heads = 16,
        KeyValueHeads = 8,
        HeadDim = 64,
        Intermediate = 8192,
        Layers = 4,
        ElementType = "BF16",
    });

    private static readonly QuantizationConfig[] Formats = [QuantizationConfig.Int8, QuantizationConfig.NF4, QuantizationConfig.NF4DoubleQuant];

    [TestCaseSource(nameof(Formats))]
    public void Quantizing_while_loading_needs_little_more_than_the_quantized_model(QuantizationConfig quantization)
    {
        Skip.Unless(OperatingSystem.IsLinux(), "the memory of the process is read from /proc.");
        _synthetic.Weights.Clear();
        Check(_synthetic.Folder, quantization);
    }

    [TestCaseSource(nameof(Formats))]
    public void Loading_a_quantized_folder_needs_little_more_than_the_model(QuantizationConfig quantization)
    {
        Skip.Unless(OperatingSystem.IsLinux(), "the memory of the process is read from /proc.");
        _synthetic.Weights.Clear();
        using var target = new TemporaryFolder();
        using (CausalLM model = CausalLM.Load(_synthetic.Folder, new LoadOptions { Quantization = quantization }))
        {
            model.Save(target.Combine("saved"));
        }
        Check(target.Combine("saved"), null);
    }

    public void Dispose() => _synthetic.Dispose();

    private static void Check(string folder, QuantizationConfig? quantization)
    {
        // Aggressive: the collector must not give memory of earlier tests back while this one measures.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using var device = Device.Open();
        using var sampler = new MemorySampler();
        using CausalLM model = CausalLM.Load(folder, new LoadOptions { Device = device, Quantization = quantization });
        long peak = sampler.Stop();
        long bound = model.Memory.ResidentBytes + LargestTensor * sizeof(float) + Allowance;
        TestContext.Out.WriteLine(
            $"model {model.Memory.ResidentBytes >> 20} MiB, process peak {peak >> 20} MiB, device peak {model.LoadReport.PeakDeviceBytes >> 20} MiB, bound {bound >> 20} MiB");
        Assert.That(peak, Is.LessThanOrEqualTo(bound), "Peak of the process.");
        Assert.That(peak, Is.GreaterThanOrEqualTo(model.Memory.ResidentBytes * 9 / 10), "The sampler saw too little: the bound would mean nothing.");
        Assert.That(model.LoadReport.PeakDeviceBytes, Is.LessThanOrEqualTo(bound), "Peak of the device.");
        Assert.That(model.LoadReport.PeakProcessBytes, Is.LessThanOrEqualTo(bound).And.GreaterThan(0), "Peak that the report tells.");
        Assert.That(model.LoadReport.DeviceBytes, Is.EqualTo(model.Memory.ResidentBytes).Within(1).Percent);
    }

    // The largest growth of this process, mapped files not counted, since it was made.
    private sealed class MemorySampler : IDisposable
    {
        private readonly long _before = ProcessMemory.AnonymousBytes()!.Value;
        private readonly Thread _thread;
        private volatile bool _stopped;
        private long _peak;

        public MemorySampler()
        {
            _thread = new Thread(Sample) { IsBackground = true };
            _thread.Start();
        }

        public long Stop()
        {
            Dispose();
            return _peak - _before;
        }

        public void Dispose()
        {
            _stopped = true;
            _thread.Join();
        }

        private void Sample()
        {
            while (!_stopped)
            {
                _peak = Math.Max(_peak, ProcessMemory.AnonymousBytes()!.Value);
                Thread.Sleep(1); // a sample a millisecond, so that the sampler does not slow the load
            }
        }
    }
}

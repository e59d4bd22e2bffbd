using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

/// <summary>The check of a machine with a CUDA device (./build.sh gpu-check), tried on the emulated one.</summary>
[TestFixture]
internal sealed class GpuCheckTests
{
    private static readonly string Script = Path.Combine(Repository.Root, "tests", "gpu-check", "gpu_check.sh");

    private TemporaryFolder _folder = null!;
    private string _library = null!;

    [SetUp]
    public void Find()
    {
        _folder = new TemporaryFolder();
        if (CudaUnderTest.Find(out string reason) is null)
        {
            Assert.Ignore($"Skipped: {reason}");
        }
        _library = Environment.GetEnvironmentVariable("NATIVEQUANT_CUDA_LIBRARY")!;
    }

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public async Task Without_a_device_it_says_so()
    {
        Dictionary<string, string?> environment = Variables("/nowhere/libcuda.so.1");
        ChildProcessResult result = await ChildProcess.RunAsync(Script, [_library], environment: environment);
        Assert.That(result.ExitCode, Is.EqualTo(1), result.ToString());
        Assert.That(result.Error, Does.StartWith("gpu-check: there is no CUDA device to check: there is no CUDA driver"));
        Assert.That(_folder.Entries(), Does.Not.Contain("report.md"));
    }

    [Test]
    public async Task On_the_emulated_device_it_tests_measures_and_reports()
    {
        ChildProcessResult result = await ChildProcess.RunAsync(Script, [_library, "--emulated"], timeout: TimeSpan.FromMinutes(5), environment: Variables(null));
        Assert.That(result.ExitCode, Is.Zero, result.ToString());
        string report = await File.ReadAllTextAsync(_folder.Combine("report.md"));
        Assert.Multiple(() =>
        {
            Assert.That(report, Does.Contain("this says nothing about speed"));
            Assert.That(report, Does.Match(@"\| cuda_elementwise_test \| passed, \d+ tests \|"));
            Assert.That(report, Does.Contain("| kernel lab | passed |"));
            Assert.That(report, Does.Contain("| nf4 nested, f16 | 96 x 128 | 1 |"));
            Assert.That(report, Does.Not.Contain("failed"));
        });
    }

    private Dictionary<string, string?> Variables(string? driver) => new()
    {
        ["NQ_GPU_REPORT"] = _folder.Combine("report.md"),
        ["NQ_GPU_RESULTS"] = _folder.Combine("results"),
        ["NQ_GPU_CLI"] = Path.Combine(AppContext.BaseDirectory, "NativeQuant.Cli"),
        ["NATIVEQUANT_CUDA_DRIVER"] = driver,
    };
}

using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Cli.Tests;

/// <summary>What the program says of CUDA devices: it lists them, or says what is missing; and the check of a machine with one.</summary>
[TestFixture]
internal sealed class CudaTests
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "NativeQuant.Cli");

    [OneTimeSetUp]
    public void Find()
    {
        if (CudaUnderTest.Find(out string reason) is null)
        {
            Assert.Ignore($"Skipped: {reason}");
        }
        if (CudaUnderTest.Variables()["NATIVEQUANT_CUDA_DRIVER"] is null)
        {
            Assert.Ignore("Skipped: these tests are of the emulated device, and NATIVEQUANT_TEST_DEVICE names another.");
        }
    }

    [TestCase("NATIVEQUANT_CUDA_LIBRARY", "/nowhere/libnativequant_cuda.so", "there is no CUDA library (package NativeQuant.Runtime.Cuda.linux-x64)")]
    [TestCase("NATIVEQUANT_CUDA_DRIVER", "/nowhere/libcuda.so.1", "there is no CUDA driver, which comes with the display driver")]
    [TestCase("NQ_EMULATED_DRIVER_VERSION", "11020", "is too old: it supports CUDA 11.2")]
    [TestCase("NQ_EMULATED_DEVICES", "0", "finds no device")]
    public async Task What_is_missing_is_named_by_doctor_and_by_generate(string variable, string value, string expected)
    {
        JsonElement gpu = await DoctorAsync(variable, value);
        Assert.That(gpu.GetProperty("available").GetBoolean(), Is.False);
        Assert.That(gpu.GetProperty("reason").GetString(), Does.Contain(expected));
        Assert.That(gpu.GetProperty("devices").GetArrayLength(), Is.Zero);

        ChildProcessResult generate = await ChildProcess.RunAsync(Program, ["generate", Repository.TinyLlama, "The", "--device", "cuda:0"], environment: With(variable, value));
        Assert.That(generate.ExitCode, Is.EqualTo(ExitCode.Failure), generate.ToString());
        Assert.That(generate.Error, Does.Contain("device 'cuda:0' is not available: ").And.Contain(expected).And.Contain("Use --device cpu"));
    }

    [Test]
    public async Task Every_device_is_listed()
    {
        JsonElement gpu = await DoctorAsync("NQ_EMULATED_DEVICES", "2");
        Assert.That(gpu.GetProperty("available").GetBoolean());
        JsonElement[] devices = [.. gpu.GetProperty("devices").EnumerateArray()];
        Assert.That(devices, Has.Length.EqualTo(2));
        Assert.That(devices.Select(device => device.GetProperty("name").GetString()), Has.All.EqualTo(gpu.GetProperty("implementation").GetString()));
        Assert.That(devices.Select(device => device.GetProperty("compute_capability").GetString()), Has.All.Match(@"^\d\.\d$"));
    }

    [Test]
    public async Task Generating_on_the_device_gives_the_text_of_the_cpu()
    {
        string[] texts = new string[2];
        foreach ((int i, string device) in new[] { (0, "cpu"), (1, "cuda:0") })
        {
            ChildProcessResult result = await ChildProcess.RunAsync(
                Program, ["generate", Repository.TinyLlama, "The old man", "--load-in-4bit", "--max-new-tokens", "4", "--device", device], environment: CudaUnderTest.Variables());
            Assert.That(result.ExitCode, Is.Zero, result.ToString());
            texts[i] = result.Output;
        }
        Assert.That(texts[1], Is.EqualTo(texts[0]).And.Length.GreaterThan(3));
    }

    private static async Task<JsonElement> DoctorAsync(string variable, string value)
    {
        ChildProcessResult doctor = await ChildProcess.RunAsync(Program, ["doctor", "--json"], environment: With(variable, value));
        Assert.That(doctor.ExitCode, Is.Zero, doctor.ToString());
        using JsonDocument document = JsonDocument.Parse(doctor.Output);
        return document.RootElement.GetProperty("gpu").Clone();
    }

    private static Dictionary<string, string?> With(string variable, string value) => new(CudaUnderTest.Variables()) { [variable] = value };
}

using System.Runtime.InteropServices;

namespace NativeQuant.Testing;

/// <summary>
/// The CUDA device that tests run on: the one that NATIVEQUANT_TEST_DEVICE names, else the emulated one of the native build.
/// </summary>
internal static class CudaUnderTest
{
    private const string LibraryVariable = "NATIVEQUANT_CUDA_LIBRARY";
    private const string DriverVariable = "NATIVEQUANT_CUDA_DRIVER";

    private static readonly string Build = Path.Combine(Repository.Root, "build", "release");

    /// <summary>Its name; <see langword="null"/>, with a reason, if this build has none.</summary>
    public static string? Find(out string reason)
    {
        reason = "";
        string library = Path.Combine(Build, "native", "libnativequant_cuda.so");
        string driver = Path.Combine(Build, "tests", "cuda-emulation", "libnq_emulated_cuda_simt.so");
        if (Environment.GetEnvironmentVariable("NATIVEQUANT_TEST_DEVICE") is { Length: > 0 } device)
        {
            SetUnlessSet(LibraryVariable, library);
            return device;
        }
        if (!File.Exists(library) || !File.Exists(driver))
        {
            reason = $"{(File.Exists(library) ? driver : library)} does not exist; ./build.sh native builds it.";
            return null;
        }
        SetUnlessSet(LibraryVariable, library);
        SetUnlessSet(DriverVariable, driver);
        return "cuda:0";
    }

    /// <summary>The environment in which a program that is started finds the device under test.</summary>
    public static IReadOnlyDictionary<string, string?> Variables() => new Dictionary<string, string?>
    {
        [LibraryVariable] = Environment.GetEnvironmentVariable(LibraryVariable),
        [DriverVariable] = Environment.GetEnvironmentVariable(DriverVariable),
    };

    // For native code too, which does not see what .NET sets.
    private static void SetUnlessSet(string name, string value)
    {
        if (Environment.GetEnvironmentVariable(name) is { Length: > 0 })
        {
            return;
        }
        Environment.SetEnvironmentVariable(name, value);
        if (SetEnvironment(name, value, 1) != 0)
        {
            throw new InvalidOperationException($"{name} could not be set.");
        }
    }

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi)]
    private static extern int SetEnvironment(string name, string value, int overwrite);
}

using System.Diagnostics;

namespace NativeQuant.Bindings.Tests;

/// <summary>Places in the repository under test, and the tools the tests start.</summary>
internal static class Repository
{
    internal static string Root { get; } = RepositoryRoot.Find(AppContext.BaseDirectory);

    internal static string Header => Path.Combine(Root, "native", "include", "nativequant", "nativequant.h");

    internal static string InteropFolder => Path.Combine(Root, "managed", "NativeQuant", "Interop");

    internal static string GeneratorAssembly => typeof(HeaderModel).Assembly.Location;

    /// <summary>The native library that this build put beside the tests.</summary>
    internal static string NativeLibrary
    {
        get
        {
            string path = Path.Combine(AppContext.BaseDirectory, "libnativequant.so");
            Assert.That(path, Does.Exist, "Build the native library before the managed solution: ./build.sh native");
            return path;
        }
    }

    /// <summary>Parses the project's header, or skips the test.</summary>
    internal static HeaderModel ParseHeader()
    {
        Requires.Libclang();
        return new LibclangHeaderParser().Parse(Header);
    }

    /// <summary>Runs a program to its end and returns what it said.</summary>
    internal static (int ExitCode, string Output, string Errors) Run(string program, string workingFolder, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workingFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.Result);
    }
}

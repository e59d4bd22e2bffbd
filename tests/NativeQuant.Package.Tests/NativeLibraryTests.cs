using System.Text.RegularExpressions;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Package.Tests;

/// <summary>What the packaged native library asks of a machine.</summary>
[TestFixture]
internal sealed partial class NativeLibraryTests : IDisposable
{
    private static readonly Version OldestGlibc = new(2, 35);

    private static readonly string[] LibrariesOfGlibc = ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"];

    private TemporaryFolder? _folder;

    private string Library => _folder!.Combine("libnativequant.so");

    [OneTimeSetUp]
    public void ExtractLibrary()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("The library is for Linux; this is another system.");
        }
        _folder = new TemporaryFolder();
        PackageFeed.Extract("NativeQuant.Runtime.linux-x64", "runtimes/linux-x64/native/libnativequant.so", Library);
    }

    public void Dispose() => _folder?.Dispose();

    [Test]
    public async Task It_needs_no_symbol_newer_than_glibc_2_35()
    {
        string symbols = await ObjdumpAsync("--dynamic-syms");

        Version[] versions = [.. GlibcSymbol().Matches(symbols).Select(static match => Version.Parse(match.Groups[1].ValueSpan))];

        Assert.That(versions, Is.Not.Empty);
        Assert.That(versions.Max(), Is.LessThanOrEqualTo(OldestGlibc), symbols);
    }

    [Test]
    public async Task It_needs_nothing_but_glibc()
    {
        string headers = await ObjdumpAsync("--private-headers");

        string[] needed = [.. NeededLibrary().Matches(headers).Select(static match => match.Groups[1].Value)];

        Assert.That(needed, Does.Contain("libc.so.6"));
        Assert.That(needed, Is.SubsetOf(LibrariesOfGlibc), "neither libstdc++ nor libgomp nor anything else");
    }

    [TestCase("qemu64", "scalar")]
    [TestCase("Haswell", "avx2")]
    public async Task It_loads_and_computes_on_a_processor_of_the_kind(string processor, string implementation)
    {
        string program = await CompileProbeAsync();

        ChildProcessResult result = await RunEmulatedAsync(processor, program);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.ToString());
            Assert.That(result.Output.Trim(), Is.EqualTo($"{implementation} 64"), result.ToString());
        });
    }

    private async Task<string> ObjdumpAsync(string option)
    {
        ChildProcessResult result = await RunOrSkipAsync("objdump", [option, Library], "package binutils");
        Assert.That(result.ExitCode, Is.Zero, result.ToString());
        return result.Output;
    }

    private async Task<string> CompileProbeAsync()
    {
        string source = Path.Combine(Repository.Root, "tests", "NativeQuant.Package.Tests", "probe.cpp");
        string include = Path.Combine(Repository.Root, "native", "include");
        string program = _folder!.Combine("probe");
        ChildProcessResult result = await RunOrSkipAsync("g++", ["-O1", $"-I{include}", source, $"-L{_folder!.Path}", "-lnativequant", $"-Wl,-rpath,{_folder!.Path}", "-o", program], "package g++");
        Assert.That(result.ExitCode, Is.Zero, result.ToString());
        return program;
    }

    private static Task<ChildProcessResult> RunEmulatedAsync(string processor, string program) =>
        RunOrSkipAsync("qemu-x86_64", ["-cpu", processor, program], "package qemu-user");

    private static async Task<ChildProcessResult> RunOrSkipAsync(string program, string[] arguments, string where)
    {
        try
        {
            return await ChildProcess.RunAsync(program, arguments);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore($"{program} is not installed ({where}).");
            throw;
        }
    }

    [GeneratedRegex(@"\bGLIBC_(\d+\.\d+(?:\.\d+)?)")]
    private static partial Regex GlibcSymbol();

    [GeneratedRegex(@"^\s*NEEDED\s+(\S+)", RegexOptions.Multiline)]
    private static partial Regex NeededLibrary();
}

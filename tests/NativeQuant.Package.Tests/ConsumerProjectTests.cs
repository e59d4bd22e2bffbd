using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Package.Tests;

/// <summary>What a user does: an empty project, one <c>dotnet add package</c>, run, publish.</summary>
[TestFixture]
internal sealed class ConsumerProjectTests
{
    private const string NativeLibrary = "libnativequant.so";

    private ConsumerProject _project = null!;

    [OneTimeSetUp]
    public async Task CreateProject()
    {
        if (!OperatingSystem.IsLinux() || System.Runtime.InteropServices.RuntimeInformation.OSArchitecture != System.Runtime.InteropServices.Architecture.X64)
        {
            Assert.Ignore("The packages hold the native library for linux-x64; this is another system.");
        }
        _project = await ConsumerProject.CreateAsync();
    }

    [OneTimeTearDown]
    public void RemoveProject() => _project?.Dispose();

    [Test, Order(1)]
    public async Task The_project_as_built_loads_a_model_in_4_bits_and_generates()
    {
        await _project.DotnetAsync("build", "-c", "Release");
        string output = Path.Combine(_project.Folder, "bin", "Release", "net10.0");

        AssertGenerates(await ConsumerProject.RunAsync(Path.Combine(output, "Consumer")));
        Assert.That(Path.Combine(output, "runtimes", "linux-x64", "native", NativeLibrary), Does.Exist);
    }

    [Test, Order(2)]
    public async Task A_published_folder_generates_and_names_the_remedy_once_the_native_library_is_gone()
    {
        string published = await _project.PublishAsync("folder");

        AssertGenerates(await ConsumerProject.RunAsync(Path.Combine(published, "Consumer")));
        await AssertFailsClearlyWithoutLibrary(published);
    }

    [Test, Order(3)]
    public async Task A_single_file_generates_and_names_the_remedy_once_the_native_library_is_gone()
    {
        string published = await _project.PublishAsync("single", "-p:PublishSingleFile=true");

        Assert.That(Path.Combine(published, "NativeQuant.dll"), Does.Not.Exist, "the managed code is inside the program");
        AssertGenerates(await ConsumerProject.RunAsync(Path.Combine(published, "Consumer")));
        await AssertFailsClearlyWithoutLibrary(published);
    }

    private static void AssertGenerates(ChildProcessResult result)
    {
        string[] lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.ToString());
            Assert.That(lines[0], Has.Length.GreaterThan(10), result.ToString());
            Assert.That(lines[^1], Is.EqualTo("4.500 bits"), result.ToString());
        });
    }

    private static async Task AssertFailsClearlyWithoutLibrary(string published)
    {
        File.Delete(Path.Combine(published, NativeLibrary));

        ChildProcessResult result = await ConsumerProject.RunAsync(Path.Combine(published, "Consumer"));

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.EqualTo(ConsumerProject.LoadFailureExitCode), result.ToString());
            Assert.That(result.Error, Does.Contain("linux-x64"), "the runtime identifier");
            Assert.That(result.Error, Does.Contain(Path.Combine(published, NativeLibrary)), "a path that was tried");
            Assert.That(result.Error, Does.Contain("dotnet add package NativeQuant.Runtime.linux-x64"), "what to do");
        });
    }
}

using System.Text.Json;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Package.Tests;

[TestFixture]
internal sealed class ToolTests
{
    [Test]
    public async Task The_tool_installs_from_the_feed_and_finds_its_native_library()
    {
        using TemporaryFolder folder = new();
        string configuration = folder.Combine("nuget.config");
        await File.WriteAllTextAsync(configuration, ConsumerProject.ConfigurationWithFeed);
        string tools = folder.Combine("tools");

        ChildProcessResult install = await ChildProcess.RunAsync(
            "dotnet", ["tool", "install", "NativeQuant.Cli", "--tool-path", tools, "--version", PackageFeed.Version, "--configfile", configuration], folder.Path);
        Assert.That(install.ExitCode, Is.Zero, install.ToString());
        ChildProcessResult doctor = await ChildProcess.RunAsync(Path.Combine(tools, "nativequant"), ["doctor", "--json"], folder.Path);

        Assert.That(doctor.ExitCode, Is.Zero, doctor.ToString());
        using JsonDocument report = JsonDocument.Parse(doctor.Output);
        Assert.That(report.RootElement.GetProperty("native_library").GetProperty("path").GetString(), Does.StartWith(tools));
    }
}

using System.IO.Compression;
using System.Xml.Linq;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Package.Tests;

/// <summary>The packages under test: those in the folder that NATIVEQUANT_PACKAGES names, else packed here from the build.</summary>
[SetUpFixture]
internal sealed class PackageFeed
{
    private static TemporaryFolder? _packed;

    public static string Folder { get; private set; } = "";

    public static string Version { get; private set; } = "";

    [OneTimeSetUp]
    public async Task ProvidePackages()
    {
        if (Environment.GetEnvironmentVariable("NATIVEQUANT_PACKAGES") is { Length: > 0 } given)
        {
            Assert.That(given, Does.Exist, "NATIVEQUANT_PACKAGES");
            Folder = Path.GetFullPath(given);
        }
        else
        {
            _packed = new TemporaryFolder();
            Folder = _packed.Path;
            ChildProcessResult pack = await ChildProcess.RunAsync("dotnet", ["pack", "NativeQuant.sln", "-c", "Release", "-o", Folder], Repository.Root, TimeSpan.FromMinutes(5));
            Assert.That(pack.ExitCode, Is.Zero, pack.ToString());
        }
        const string prefix = "NativeQuant.Models.";
        string package = Path.GetFileNameWithoutExtension(Directory.EnumerateFiles(Folder, $"{prefix}*.nupkg").Single());
        Version = package[prefix.Length..];
    }

    [OneTimeTearDown]
    public void RemovePackages() => _packed?.Dispose();

    public static string PathOf(string package, string extension = "nupkg") => Path.Combine(Folder, $"{package}.{Version}.{extension}");

    /// <summary>Names of the files in a package.</summary>
    public static IReadOnlyList<string> EntriesOf(string package, string extension = "nupkg")
    {
        using ZipArchive archive = ZipFile.OpenRead(PathOf(package, extension));
        return [.. archive.Entries.Select(static entry => entry.FullName)];
    }

    /// <summary>The manifest of a package.</summary>
    public static XElement ManifestOf(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(PathOf(package));
        using Stream manifest = archive.Entries.Single(static entry => entry.Name.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        return XDocument.Load(manifest).Root!;
    }

    /// <summary>Writes one file of a package to disk.</summary>
    public static void Extract(string package, string entry, string path)
    {
        using ZipArchive archive = ZipFile.OpenRead(PathOf(package));
        archive.GetEntry(entry)!.ExtractToFile(path);
    }
}

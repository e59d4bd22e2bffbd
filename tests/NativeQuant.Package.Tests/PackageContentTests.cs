using System.Xml.Linq;
using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Package.Tests;

[TestFixture]
internal sealed class PackageContentTests
{
    private const string Runtime = "NativeQuant.Runtime.linux-x64";

    private const string CudaRuntime = "NativeQuant.Runtime.Cuda.linux-x64";

    private static readonly string[] Packages = ["NativeQuant", "NativeQuant.Models", "NativeQuant.Cli", Runtime, CudaRuntime];

    private static readonly string[] Libraries = ["NativeQuant", "NativeQuant.Models"];

    [TestCaseSource(nameof(Packages))]
    public void A_package_has_a_readme_a_licence_and_a_description(string package)
    {
        XElement metadata = PackageFeed.ManifestOf(package).Elements().Single();
        Assert.Multiple(() =>
        {
            Assert.That(PackageFeed.EntriesOf(package), Does.Contain("README.md"));
            Assert.That(Value(metadata, "readme"), Is.EqualTo("README.md"));
            Assert.That(Value(metadata, "license"), Is.EqualTo("MIT"));
            Assert.That(Value(metadata, "description"), Has.Length.GreaterThan(40));
            Assert.That(Value(metadata, "version"), Is.EqualTo(PackageFeed.Version));
        });
    }

    [TestCaseSource(nameof(Libraries))]
    public void A_library_package_has_the_assembly_its_documentation_and_nothing_native(string package)
    {
        Assert.That(
            PackageFeed.EntriesOf(package).Where(static entry => entry.StartsWith("lib/", StringComparison.Ordinal) || entry.StartsWith("runtimes/", StringComparison.Ordinal) || entry.StartsWith("content", StringComparison.Ordinal)),
            Is.EquivalentTo(new[] { $"lib/net10.0/{package}.dll", $"lib/net10.0/{package}.xml" }));
    }

    [TestCaseSource(nameof(Libraries))]
    public void A_library_package_has_symbols(string package) =>
        Assert.That(PackageFeed.EntriesOf(package, "snupkg"), Does.Contain($"lib/net10.0/{package}.pdb"));

    [TestCase(Runtime, "libnativequant.so")]
    [TestCase(CudaRuntime, "libnativequant_cuda.so")]
    public void A_runtime_package_holds_its_native_library_alone(string package, string library) =>
        Assert.That(
            PackageFeed.EntriesOf(package).Where(static entry => entry.Contains('/') && !entry.StartsWith("_rels/", StringComparison.Ordinal) && !entry.StartsWith("package/", StringComparison.Ordinal)),
            Is.EqualTo(new[] { $"runtimes/linux-x64/native/{library}" }));

    [Test]
    public void The_package_of_the_cuda_library_is_tens_of_megabytes_at_most()
    {
        long bytes = new FileInfo(PackageFeed.PathOf(CudaRuntime)).Length;
        TestContext.Out.WriteLine($"{CudaRuntime}: {bytes / 1024.0 / 1024:0.0} MiB");
        Assert.That(bytes, Is.LessThan(50L << 20));
    }

    [TestCase(Runtime, "libnativequant.so")]
    [TestCase(CudaRuntime, "libnativequant_cuda.so")]
    public void The_packaged_library_is_the_one_that_was_built_and_tested(string package, string library)
    {
        string[] built = [.. new[] { "release", "cuda" }.Select(preset => Path.Combine(Repository.Root, "build", preset, "native", library)).Where(File.Exists)];
        if (built.Length == 0)
        {
            Assert.Ignore("The packages were made elsewhere: no library in build/release.");
        }
        using TemporaryFolder folder = new();
        string packaged = folder.Combine(library);
        PackageFeed.Extract(package, $"runtimes/linux-x64/native/{library}", packaged);

        byte[] bytes = File.ReadAllBytes(packaged);
        Assert.That(built, Has.Some.Matches<string>(path => bytes.AsSpan().SequenceEqual(File.ReadAllBytes(path))));
    }

    [TestCase("NativeQuant", Runtime)]
    [TestCase("NativeQuant.Models", "NativeQuant")]
    public void A_package_brings_what_it_needs(string package, string dependency)
    {
        XElement[] dependencies = [.. PackageFeed.ManifestOf(package).Descendants().Where(static element => element.Name.LocalName == "dependency")];
        Assert.Multiple(() =>
        {
            Assert.That(dependencies.Select(static element => (string?)element.Attribute("id")), Is.EqualTo(new[] { dependency }));
            Assert.That((string?)dependencies[0].Attribute("version"), Is.EqualTo(PackageFeed.Version));
            Assert.That((string?)dependencies[0].Attribute("exclude") ?? "", Does.Not.Contain("Native").And.Not.Contain("Runtime"));
        });
    }

    private static string? Value(XElement metadata, string name) => metadata.Elements().FirstOrDefault(element => element.Name.LocalName == name)?.Value;
}

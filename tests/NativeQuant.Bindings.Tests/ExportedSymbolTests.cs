using System.Reflection;

namespace NativeQuant.Bindings.Tests;

/// <summary>Library, header and bindings name the same functions.</summary>
public class ExportedSymbolTests
{
    [Test]
    public void The_library_exports_what_the_bindings_import()
    {
        Assert.That(Exported(), Is.EqualTo(Imported()));
    }

    [Test]
    public void The_bindings_import_what_the_header_declares()
    {
        Assert.That(Imported(), Is.EqualTo(Repository.ParseHeader().Functions.Select(f => f.Name).Order(StringComparer.Ordinal)));
    }

    [Test]
    public void The_library_implements_the_version_of_the_header()
    {
        Assert.That(Repository.NativeLibrary, Does.Exist);

        uint version = NativeMethods.nq_abi_version();

        Assert.That(version >> 16, Is.EqualTo((uint)NativeMethods.AbiVersionMajor));
        Assert.That(version & 0xffff, Is.EqualTo((uint)NativeMethods.AbiVersionMinor));
    }

    private static IEnumerable<string> Exported()
    {
        (int exitCode, string output, string errors) = Repository.Run("nm", Repository.Root, "-D", "--defined-only", "--format=just-symbols", Repository.NativeLibrary);
        Assert.That(exitCode, Is.Zero, errors);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal);
    }

    private static IEnumerable<string> Imported() => typeof(NativeMethods)
        .GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
        .Select(method => method.Name)
        .Where(name => name.StartsWith("nq_", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal);
}

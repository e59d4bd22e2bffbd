using NativeQuant.BindingGenerator.Parsing;

namespace NativeQuant.Bindings.Tests;

/// <summary>Skips a test, saying why, where what it needs is not installed.</summary>
internal static class Requires
{
    internal static void Libclang()
    {
        if (!LibclangLoader.IsAvailable)
        {
            Assert.Ignore("SKIPPED: libclang is not installed (Debian package libclang1-14), so nothing about the binding generator was tested here.");
        }
    }
}

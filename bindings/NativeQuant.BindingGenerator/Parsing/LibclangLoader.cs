using System.Reflection;
using System.Runtime.InteropServices;

namespace NativeQuant.BindingGenerator.Parsing;

/// <summary>Finds libclang under the names that distributions give it.</summary>
internal static class LibclangLoader
{
    private static readonly string[] _candidates =
    [
        "libclang-14.so.1",
        "libclang-14.so.13",
        "/usr/lib/llvm-14/lib/libclang.so.1",
        "libclang.so.1",
        "libclang.so",
    ];

    private static readonly Lazy<nint> _library = new(Find);

    static LibclangLoader() => NativeLibrary.SetDllImportResolver(
        typeof(LibclangLoader).Assembly,
        static (string name, Assembly _, DllImportSearchPath? _) => name == Libclang.Library ? _library.Value : 0);

    /// <summary>Whether libclang can be loaded here.</summary>
    internal static bool IsAvailable => _library.Value != 0;

    /// <summary>Loads libclang.</summary>
    /// <exception cref="DllNotFoundException">libclang is not installed; the message names the package to install.</exception>
    internal static void EnsureLoaded()
    {
        if (!IsAvailable)
        {
            throw new DllNotFoundException(
                $"libclang was not found (tried {string.Join(", ", _candidates)}). Install it, on Debian and Ubuntu with: apt-get install libclang1-14");
        }
    }

    private static nint Find()
    {
        foreach (string candidate in _candidates)
        {
            if (NativeLibrary.TryLoad(candidate, out nint library))
            {
                return library;
            }
        }

        return 0;
    }
}

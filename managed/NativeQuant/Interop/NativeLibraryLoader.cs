using System.Runtime.InteropServices;

namespace NativeQuant.Interop;

// Loads the native library on first use and directs this assembly's imports to it. Every way into native code passes here first
// (Device.Open, NativeRuntime, Codebooks), so a failure is one exception at the caller's own line, never a TypeInitializationException,
// and the next call tries again.
internal static class NativeLibraryLoader
{
    public const string PathVariable = "NATIVEQUANT_LIBRARY_PATH";

    private static readonly Lock Gate = new();
    private static volatile LoadedNativeLibrary? _loaded;

    public static LoadedNativeLibrary EnsureLoaded() => _loaded ?? Load();

    private static LoadedNativeLibrary Load()
    {
        lock (Gate)
        {
            if (_loaded is { } loaded)
            {
                return loaded;
            }

            var search = NativeLibrarySearch.OfThisProcess();
            loaded = search.Load();
            NativeLibrary.SetDllImportResolver(
                typeof(NativeLibraryLoader).Assembly,
                (name, _, _) => name == NativeMethods.Library ? loaded.Handle : 0);
            if (search.FindCudaLibrary(loaded.Path) is { } cuda)
            {
                Errors.ThrowIfFailed(NativeMethods.nq_cuda_set_library(cuda));
            }

            _loaded = loaded;
            return loaded;
        }
    }
}

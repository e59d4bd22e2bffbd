namespace NativeQuant.Interop;

// A native library whose interface version was checked. Path is what it was loaded by: a bare file name if the operating system found it.
internal sealed record LoadedNativeLibrary(nint Handle, string Path, Version AbiVersion);

namespace NativeQuant.Interop;

// One place where the native library was looked for, and what came of it.
internal sealed record NativeLibraryAttempt(string Path, string Outcome)
{
    public override string ToString() => $"{Path}: {Outcome}";
}

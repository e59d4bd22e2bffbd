using System.Diagnostics;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>Another program that keeps one processor busy while this lives.</summary>
internal sealed class BusyProcess : IDisposable
{
    private readonly Process _process = Process.Start("sh", ["-c", "while :; do :; done"]);

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}

using System.Diagnostics;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>Another program that keeps one processor busy while this lives; in a session of its own, as a job in another terminal is, which the scheduler weighs by itself.</summary>
internal sealed class BusyProcess : IDisposable
{
    private readonly Process _process = Process.Start("setsid", ["sh", "-c", "while :; do :; done"]);

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}

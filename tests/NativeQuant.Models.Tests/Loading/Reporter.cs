namespace NativeQuant.Models.Tests;

// Progress on the calling thread, unlike Progress<T>.
internal sealed class Reporter<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}

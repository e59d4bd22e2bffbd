namespace NativeQuant.Cli.Output;

/// <summary>Turns reports of another kind into fractions, at once and on the caller's thread.</summary>
internal sealed class ProgressConversion<T>(IProgress<double> target, Func<T, double> fraction) : IProgress<T>
{
    public void Report(T value) => target.Report(fraction(value));
}

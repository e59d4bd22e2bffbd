using System.Diagnostics;
using NativeQuant.Models;

namespace NativeQuant.Cli.Profiling;

/// <summary>
/// Where the time of steady decode steps goes. A step is everything between one token and the next, on the thread that generates: native
/// calls, and the managed code around them. Within a call the thread runs kernels, waits for other threads to finish theirs, or does neither
/// (checks, staging, handing out work). All times are sums over <paramref name="Tokens"/> steps.
/// </summary>
/// <param name="Tokens">Steps measured.</param>
/// <param name="Threads">Threads of the device.</param>
/// <param name="Total">Wall time of the steps.</param>
/// <param name="Functions">The native functions called, the one with the most time first.</param>
internal sealed record DecodeProfile(int Tokens, int Threads, TimeSpan Total, IReadOnlyList<FunctionProfile> Functions)
{
    private const int WarmUpTokens = 4;

    public TimeSpan Native => Sum(static function => function.Total);

    public TimeSpan Kernel => Sum(static function => function.Kernel);

    public TimeSpan Wait => Sum(static function => function.Wait);

    public TimeSpan CallOverhead => Native - Kernel - Wait;

    public TimeSpan Managed => Total - Native;

    /// <summary>Fraction of the steps in which the generating thread did not run kernels.</summary>
    public double OutsideKernels => 1 - (Kernel / Total);

    /// <summary>Fraction of what all threads together had to give that was spent in kernels.</summary>
    public double Utilization => (Kernel + Sum(static function => function.WorkerKernel)) / (Threads * Total);

    public static DecodeProfile Measure(CausalLM model, int promptTokens, int tokens, CancellationToken cancellationToken)
    {
        int[] prompt = new int[promptTokens];
        for (int i = 0; i < prompt.Length; i++)
        {
            prompt[i] = (int)(i * 7919L % model.VocabularySize);
        }
        using GenerationSession session = model.CreateSession();
        GenerationOptions options = new() { MaxNewTokens = WarmUpTokens + tokens, EosTokenIds = [] };
        int count = 0;
        long start = 0;
        foreach (GeneratedToken _ in session.Generate(prompt, options, cancellationToken))
        {
            count++;
            if (count == WarmUpTokens)
            {
                CallProfile.Start();
                start = Stopwatch.GetTimestamp();
            }
        }
        TimeSpan total = Stopwatch.GetElapsedTime(start);
        return new DecodeProfile(count - WarmUpTokens, model.Device.ThreadCount, total, CallProfile.Stop());
    }

    private TimeSpan Sum(Func<FunctionProfile, TimeSpan> part) => Functions.Aggregate(TimeSpan.Zero, (sum, function) => sum + part(function));
}

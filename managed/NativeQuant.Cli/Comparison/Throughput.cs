using System.Diagnostics;
using NativeQuant.Models;

namespace NativeQuant.Cli.Comparison;

/// <summary>How fast a model reads a prompt and how fast it writes: the medians over at least three runs and one second, after a run that warms up.</summary>
internal readonly record struct Throughput(double PrefillTokensPerSecond, double DecodeTokensPerSecond)
{
    private const int PromptTokens = 128;
    private const int DecodedTokens = 32;
    private const int LeastRuns = 3;
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(1);

    /// <param name="model">The model.</param>
    /// <param name="ids">Text to take the prompt from, at least two tokens.</param>
    /// <param name="cancellationToken">Polled within every pass.</param>
    public static Throughput Measure(CausalLM model, IReadOnlyList<int> ids, CancellationToken cancellationToken)
    {
        int[] prompt = [.. ids.Take(Math.Min(PromptTokens, model.ContextLength / 2))];
        int decoded = Math.Min(DecodedTokens, model.ContextLength - prompt.Length);
        using GenerationSession session = model.CreateSession();
        float[] logits = new float[model.VocabularySize];
        Run(session, prompt, decoded, logits, cancellationToken);
        List<double> prefill = [];
        List<double> decode = [];
        for (long start = Stopwatch.GetTimestamp(); prefill.Count < LeastRuns || Stopwatch.GetElapsedTime(start) < LeastTime;)
        {
            (TimeSpan reading, TimeSpan writing) = Run(session, prompt, decoded, logits, cancellationToken);
            prefill.Add(prompt.Length / reading.TotalSeconds);
            decode.Add(decoded / writing.TotalSeconds);
        }
        return new Throughput(Median(prefill), Median(decode));
    }

    private static (TimeSpan Reading, TimeSpan Writing) Run(GenerationSession session, int[] prompt, int decoded, float[] logits, CancellationToken cancellationToken)
    {
        session.Reset();
        long start = Stopwatch.GetTimestamp();
        session.Forward(prompt, logits, cancellationToken);
        TimeSpan reading = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < decoded; i++)
        {
            session.Forward([IndexOfMaximum(logits)], logits, cancellationToken);
        }
        return (reading, Stopwatch.GetElapsedTime(start));
    }

    private static int IndexOfMaximum(float[] values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }
}

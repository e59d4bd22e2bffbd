using System.Diagnostics;

namespace NativeQuant.Models;

/// <summary>
/// Perplexity of a model on a text: how many equally likely tokens it hesitates between, on average.
/// </summary>
/// <remarks>
/// Protocol. The text is tokenized as a whole, without special tokens. It is cut into windows that do not overlap; a last partial window
/// is dropped. Every window is a sequence of its own: BOS and the window's tokens but the last are fed in one pass, and all tokens of the
/// window are scored. The result is exp of the mean negative natural log-probability over all scored tokens, summed in f64. One window per
/// pass also fixes what LLM.int8() takes as outlier columns: those of one window.
/// A model without BOS is fed its first end-of-sequence token instead.
/// </remarks>
public static class Perplexity
{
    private const int DefaultWindow = 256;

    /// <summary>Measures the perplexity of a model on a tokenized text.</summary>
    /// <param name="model">The model.</param>
    /// <param name="ids">The text without special tokens, at least one window long.</param>
    /// <param name="options">Window and number of windows; null for the defaults.</param>
    /// <param name="progress">Told after every window.</param>
    /// <param name="cancellationToken">Polled before every layer.</param>
    /// <returns>The perplexity and how it was measured.</returns>
    /// <exception cref="ArgumentException">The window is out of range, the text shorter than a window, or an id outside the vocabulary.</exception>
    /// <exception cref="NotSupportedException">Neither config.json nor generation_config.json names a BOS or end-of-sequence token.</exception>
    /// <exception cref="InvalidLogitsException">The model computes NaN.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static PerplexityResult Measure(
        CausalLM model, ReadOnlySpan<int> ids, PerplexityOptions? options = null, IProgress<PerplexityProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new PerplexityOptions();
        int window = options.Window ?? Math.Min(DefaultWindow, model.ContextLength);
        if (window < 1 || window > model.ContextLength)
        {
            throw ModelErrors.OptionOutOfRange(nameof(PerplexityOptions), nameof(PerplexityOptions.Window), $"1 to {model.ContextLength}, the context length", window);
        }
        if (options.MaxWindows is < 1)
        {
            throw ModelErrors.OptionOutOfRange(nameof(PerplexityOptions), nameof(PerplexityOptions.MaxWindows), "at least 1", options.MaxWindows);
        }
        int windows = Math.Min(ids.Length / window, options.MaxWindows ?? int.MaxValue);
        if (windows == 0)
        {
            throw ModelErrors.TextTooShort(window, ids.Length, nameof(ids));
        }
        int bos = model.Config.BosTokenId ?? model.GenerationConfig.BosTokenId ?? (model.EosTokenIds is [int eos, ..] ? eos : throw ModelErrors.NoBosToken());

        long start = Stopwatch.GetTimestamp();
        using GenerationSession session = new(model, window, window);
        int[] fed = new int[window];
        float[] logProbabilities = new float[window];
        fed[0] = bos;
        double nats = 0;
        for (int i = 0; i < windows; i++)
        {
            ReadOnlySpan<int> scored = ids.Slice(i * window, window);
            scored[..^1].CopyTo(fed.AsSpan(1));
            session.Score(fed, scored, logProbabilities, cancellationToken);
            session.Reset();
            for (int t = 0; t < window; t++)
            {
                nats -= float.IsNaN(logProbabilities[t]) ? throw ModelErrors.InvalidLogit(t, scored[t], float.NaN) : logProbabilities[t];
            }
            progress?.Report(new PerplexityProgress(i + 1, windows, Math.Exp(nats / ((i + 1.0) * window))));
        }
        double mean = nats / ((double)windows * window);
        return new PerplexityResult(Math.Exp(mean), mean, windows * window, window, Stopwatch.GetElapsedTime(start));
    }
}

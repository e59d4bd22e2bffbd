namespace NativeQuant.Models;

/// <summary>
/// Chooses a token from logits by <see cref="GenerationOptions"/>. Arrays are made once for a vocabulary; choosing allocates nothing.
/// One thread at a time.
/// </summary>
/// <remarks>
/// Order and rules of transformers: repetition penalty; with sampling temperature, top-k (the k-th value and all equal to it stay),
/// top-p (a token stays while the probability of those before it is below p), min-p; one draw over what is left. Sums in f64.
/// Ties are ordered by id, so the outcome is a function of logits, history, options and seed.
/// </remarks>
internal sealed class Sampler
{
    private readonly GenerationOptions _options;
    private readonly RandomSource _random;
    private readonly float[] _scores;
    private readonly float[] _heap;
    private readonly Candidate[] _candidates;
    private readonly bool[] _seen;
    private readonly bool _penalize;

    public Sampler(GenerationOptions options, int vocabularySize)
    {
        _options = options;
        _penalize = options.RepetitionPenalty != 1;
        _seen = _penalize ? new bool[vocabularySize] : [];
        _random = new RandomSource(options.Seed ?? (ulong)Random.Shared.NextInt64());
        bool sample = options.DoSample;
        _scores = sample || _penalize ? new float[vocabularySize] : [];
        _heap = sample && options.TopK > 0 && options.TopK < vocabularySize ? new float[options.TopK] : [];
        _candidates = sample ? new Candidate[vocabularySize] : [];
    }

    /// <summary>Marks an id as present in the sequence, for the repetition penalty.</summary>
    public void Observe(int id)
    {
        if (_penalize && (uint)id < (uint)_seen.Length)
        {
            _seen[id] = true;
        }
    }

    /// <summary>Returns the id chosen for one row of logits.</summary>
    /// <param name="logits">As many values as the vocabulary has; not changed.</param>
    /// <param name="position">Position that the logits follow, for the message.</param>
    /// <exception cref="InvalidLogitsException">A logit is NaN or positive infinity, or all are negative infinity.</exception>
    public int Choose(ReadOnlySpan<float> logits, int position)
    {
        int best = ArgMax(logits, position);
        if (!_penalize && !_options.DoSample)
        {
            return best;
        }
        Span<float> scores = _scores;
        logits.CopyTo(scores);
        if (_penalize)
        {
            Penalize(scores);
            best = ArgMax(scores, position);
        }
        return _options.DoSample ? Draw(scores, scores[best]) : best;
    }

    private static int ArgMax(ReadOnlySpan<float> logits, int position)
    {
        int best = 0;
        float maximum = float.NegativeInfinity;
        for (int i = 0; i < logits.Length; i++)
        {
            float value = logits[i];
            if (value > maximum)
            {
                maximum = value;
                best = i;
            }
            else if (float.IsNaN(value))
            {
                throw ModelErrors.InvalidLogit(position, i, value);
            }
        }
        return float.IsFinite(maximum) ? best : throw ModelErrors.InvalidLogit(position, best, maximum);
    }

    private void Penalize(Span<float> scores)
    {
        float penalty = _options.RepetitionPenalty;
        for (int i = 0; i < scores.Length; i++)
        {
            if (_seen[i])
            {
                scores[i] = scores[i] < 0 ? scores[i] * penalty : scores[i] / penalty;
            }
        }
    }

    private int Draw(Span<float> scores, float maximum)
    {
        float temperature = _options.Temperature;
        float floor = _heap.Length > 0 ? LargestValue(scores, _heap) : float.NegativeInfinity;
        int count = 0;
        double total = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            // Dividing by a positive temperature keeps the order, so the k-th value may be found before it.
            if (scores[i] >= floor && scores[i] > float.NegativeInfinity)
            {
                double weight = Math.Exp(((double)scores[i] - maximum) / temperature);
                _candidates[count++] = new Candidate(scores[i], i, weight);
                total += weight;
            }
        }
        Span<Candidate> candidates = _candidates.AsSpan(0, count);
        if (_options.TopP < 1)
        {
            count = KeepTopP(candidates, ref total);
        }
        if (_options.MinP > 0)
        {
            count = KeepMinP(candidates[..count], ref total);
        }
        double target = _random.NextDouble() * total;
        double sum = 0;
        foreach (ref readonly Candidate candidate in candidates[..count])
        {
            sum += candidate.Weight;
            if (target < sum)
            {
                return candidate.Id;
            }
        }
        return candidates[count - 1].Id;
    }

    /// <summary>The heap.Length-th largest value, through a min-heap of the largest seen.</summary>
    private static float LargestValue(ReadOnlySpan<float> values, Span<float> heap)
    {
        heap.Fill(float.NegativeInfinity);
        foreach (float value in values)
        {
            if (value > heap[0])
            {
                int hole = 0;
                for (int child; (child = 2 * hole + 1) < heap.Length; hole = child)
                {
                    if (child + 1 < heap.Length && heap[child + 1] < heap[child])
                    {
                        child++;
                    }
                    if (heap[child] >= value)
                    {
                        break;
                    }
                    heap[hole] = heap[child];
                }
                heap[hole] = value;
            }
        }
        return heap[0];
    }

    private int KeepTopP(Span<Candidate> candidates, ref double total)
    {
        candidates.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Id.CompareTo(b.Id));
        double limit = _options.TopP * total;
        double sum = 0;
        int count = 0;
        while (count < candidates.Length && sum < limit)
        {
            sum += candidates[count++].Weight;
        }
        total = sum;
        return count;
    }

    private int KeepMinP(Span<Candidate> candidates, ref double total)
    {
        // The most probable candidate has weight 1: its score is the maximum.
        int count = 0;
        double sum = 0;
        for (int i = 0; i < candidates.Length; i++)
        {
            if (candidates[i].Weight >= _options.MinP)
            {
                sum += candidates[i].Weight;
                candidates[count++] = candidates[i];
            }
        }
        total = sum;
        return count;
    }

    private readonly record struct Candidate(float Score, int Id, double Weight);
}

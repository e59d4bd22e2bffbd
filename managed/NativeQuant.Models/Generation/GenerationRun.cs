namespace NativeQuant.Models;

/// <summary>
/// One generation, a token per <see cref="Step"/>, on the calling thread. In the steady state a step allocates no managed memory but
/// the emitted text. Whoever steps has entered the session.
/// </summary>
internal sealed class GenerationRun
{
    private readonly GenerationSession _session;
    private readonly GenerationOptions _options;
    private readonly Sampler _sampler;
    private readonly TextEmitter _text;
    private readonly int[] _eosTokenIds;
    private readonly float[] _logits;
    private readonly int[] _next; // what the next step feeds: the prompt first, then the token chosen last
    private int _nextLength;
    private int _count;
    private bool _finished;

    public GenerationRun(GenerationSession session, CausalLM model, int[] promptIds, GenerationOptions options)
    {
        _session = session;
        _options = options;
        _next = promptIds;
        _nextLength = promptIds.Length;
        _logits = new float[model.VocabularySize];
        _eosTokenIds = [.. options.EosTokenIds ?? model.EosTokenIds];
        _text = new TextEmitter(model.Tokenizer, options.StopStrings);
        _sampler = new Sampler(options, model.VocabularySize);
        foreach (int id in session.Tokens)
        {
            _sampler.Observe(id);
        }
        foreach (int id in promptIds)
        {
            _sampler.Observe(id);
        }
    }

    /// <summary>Feeds what is due and chooses the next token.</summary>
    /// <returns>False when the generation was over before.</returns>
    public bool Step(out GeneratedToken token, CancellationToken cancellationToken)
    {
        token = default;
        if (_finished)
        {
            return false;
        }
        _session.Advance(_next.AsSpan(0, _nextLength), _logits, cancellationToken);
        int id = _sampler.Choose(_logits, _session.Position - 1);
        float logProbability = _session.LastLogProbability(id);
        _sampler.Observe(id);
        _next[0] = id;
        _nextLength = 1;
        _count++;

        string text = "";
        FinishReason? finish = null;
        if (Array.IndexOf(_eosTokenIds, id) >= 0)
        {
            finish = FinishReason.EndOfSequence;
        }
        else
        {
            text = _text.Append(id);
            finish = _text.Stopped ? FinishReason.StopString
                : _count == _options.MaxNewTokens ? FinishReason.MaxNewTokens
                : _session.Position == _session.Capacity ? FinishReason.ContextFull
                : null;
        }
        if (finish is not null)
        {
            _finished = true;
            text += _text.Flush();
            // What was held back may have completed a stop string.
            finish = _text.Stopped ? FinishReason.StopString : finish;
        }
        token = new GeneratedToken(id, text, logProbability, finish);
        return true;
    }
}

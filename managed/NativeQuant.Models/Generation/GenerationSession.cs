using System.Runtime.InteropServices;

namespace NativeQuant.Models;

/// <summary>
/// One sequence over a model: KV cache, scratch memory and the tokens seen so far. Made by <see cref="CausalLM.CreateSession"/>.
/// </summary>
/// <remarks>
/// One call at a time: a second call while one runs throws <see cref="InvalidOperationException"/>. Several sessions of one model
/// run side by side. The KV cache grows with use; scratch memory is allocated once, for passes of up to 256 tokens, and longer inputs
/// are fed in passes of that size. LLM.int8() layers take as outlier columns those of one pass, where bitsandbytes takes those of the whole
/// input. A call that fails or is cancelled leaves the session as it was before the call.
/// </remarks>
public sealed partial class GenerationSession : IDisposable
{
    internal const int DefaultChunkSize = 256;

    private readonly CausalLM _model;
    private readonly Workspace _workspace;
    private readonly KvCache _cache;
    private readonly int[] _tokens;
    private readonly uint[] _upload;
    private int _busy;

    internal GenerationSession(CausalLM model, int capacity, int chunkSize, DataType? kvCacheType = null)
    {
        DataType cacheType = kvCacheType ?? model.KvCacheType;
        CheckKvCacheType(cacheType, nameof(kvCacheType));
        if (capacity < 1 || capacity > model.ContextLength)
        {
            throw ModelErrors.CapacityOutOfRange(model.ContextLength, capacity);
        }
        _model = model;
        Capacity = capacity;
        DecoderDescription description = model.Decoder.Description;
        AttentionDescription attention = description.Attention;
        _cache = new KvCache(model.Device, description.AttentionWindows.Count, attention.KeyValueHeads, attention.HeadDim, capacity, cacheType);
        try
        {
            _workspace = new Workspace(model.Device, description, Math.Min(chunkSize, capacity));
        }
        catch
        {
            _cache.Dispose();
            throw;
        }
        _tokens = new int[capacity];
        _upload = new uint[_workspace.Capacity];
    }

    /// <summary>Most positions this session may hold.</summary>
    public int Capacity { get; }

    /// <summary>Type in which keys and values are held.</summary>
    public DataType KvCacheType => _cache.DataType;

    /// <summary>Device memory that the keys and values of the <see cref="Position"/> tokens held take, in pages of 64 positions.</summary>
    /// <exception cref="ObjectDisposedException">The session was disposed.</exception>
    public long KvCacheBytes => _cache.Bytes;

    /// <summary>Positions held: the tokens whose keys and values are in the cache.</summary>
    public int Position { get; private set; }

    /// <summary>The tokens held, <see cref="Position"/> of them. Valid until the next call.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Position);

    /// <summary>Feeds tokens and computes the logits that follow the last.</summary>
    /// <param name="ids">At least one token id; at most <see cref="Capacity"/> - <see cref="Position"/>.</param>
    /// <param name="lastLogits">Receives one logit per vocabulary entry; empty: none are computed.</param>
    /// <param name="cancellationToken">Polled before every layer of every pass.</param>
    /// <exception cref="ArgumentException">No ids, too many, one outside the vocabulary, or logits of the wrong length.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the session is as before.</exception>
    public void Forward(ReadOnlySpan<int> ids, Span<float> lastLogits, CancellationToken cancellationToken = default)
    {
        CheckIds(ids, nameof(ids));
        if (!lastLogits.IsEmpty && lastLogits.Length != _model.VocabularySize)
        {
            throw ModelErrors.WrongLength("Logits", _model.VocabularySize, lastLogits.Length, nameof(lastLogits));
        }
        Enter();
        try
        {
            Advance(ids, lastLogits, cancellationToken);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Feeds tokens and computes the logits that follow each.</summary>
    /// <param name="ids">At least one token id; at most <see cref="Capacity"/> - <see cref="Position"/>.</param>
    /// <param name="logits">Receives [ids, vocabulary], row-major.</param>
    /// <param name="cancellationToken">Polled before every layer of every pass.</param>
    /// <exception cref="ArgumentException">No ids, too many, one outside the vocabulary, or logits of the wrong length.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the session is as before.</exception>
    public void ForwardAll(ReadOnlySpan<int> ids, Span<float> logits, CancellationToken cancellationToken = default)
    {
        CheckIds(ids, nameof(ids));
        int vocabulary = _model.VocabularySize;
        if (logits.Length != (long)ids.Length * vocabulary)
        {
            throw ModelErrors.WrongLength("Logits", (long)ids.Length * vocabulary, logits.Length, nameof(logits));
        }
        Enter();
        int before = Position;
        try
        {
            while (!ids.IsEmpty)
            {
                int count = Pass(ids, cancellationToken);
                for (int start = 0; start < count; start += _workspace.LogitRows)
                {
                    int rows = Math.Min(_workspace.LogitRows, count - start);
                    Read(_model.Decoder.Logits(_workspace, start, rows), logits[..(rows * vocabulary)]);
                    logits = logits[(rows * vocabulary)..];
                }
                ids = ids[count..];
            }
        }
        catch
        {
            Rewind(before);
            throw;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Feeds tokens and computes the log-probability that the model gives, after each, to another token.</summary>
    /// <param name="ids">At least one token id; at most <see cref="Capacity"/> - <see cref="Position"/>.</param>
    /// <param name="targets">As many token ids: targets[i] is scored after ids[i].</param>
    /// <param name="logProbabilities">Receives as many natural logarithms, each at most 0.</param>
    /// <param name="cancellationToken">Polled before every layer of every pass.</param>
    /// <exception cref="ArgumentException">No ids, too many, one outside the vocabulary, or spans of different lengths.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the session is as before.</exception>
    public void Score(ReadOnlySpan<int> ids, ReadOnlySpan<int> targets, Span<float> logProbabilities, CancellationToken cancellationToken = default)
    {
        CheckIds(ids, nameof(ids));
        CheckVocabulary(targets, nameof(targets));
        if (targets.Length != ids.Length || logProbabilities.Length != ids.Length)
        {
            bool isTargets = targets.Length != ids.Length;
            throw ModelErrors.WrongLength(isTargets ? "Targets" : "Log-probabilities", ids.Length, isTargets ? targets.Length : logProbabilities.Length, isTargets ? nameof(targets) : nameof(logProbabilities));
        }
        Enter();
        int before = Position;
        try
        {
            while (!ids.IsEmpty)
            {
                int count = Pass(ids, cancellationToken);
                for (int start = 0; start < count; start += _workspace.LogitRows)
                {
                    int rows = Math.Min(_workspace.LogitRows, count - start);
                    ScoreRows(_model.Decoder.Logits(_workspace, start, rows), targets[..rows], logProbabilities[..rows]);
                    targets = targets[rows..];
                    logProbabilities = logProbabilities[rows..];
                }
                ids = ids[count..];
            }
        }
        catch
        {
            Rewind(before);
            throw;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Forgets every token from <paramref name="length"/> on.</summary>
    /// <param name="length">Tokens to keep, 0 to <see cref="Position"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">More than are held.</exception>
    public void Truncate(int length)
    {
        if (length < 0 || length > Position)
        {
            throw ModelErrors.LengthOutOfRange(Position, length);
        }
        Enter();
        try
        {
            Rewind(length);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Forgets every token.</summary>
    public void Reset() => Truncate(0);

    /// <summary>Releases cache and scratch memory. May be called twice; not while another call runs.</summary>
    public void Dispose()
    {
        _cache.Dispose();
        _workspace.Dispose();
    }

    /// <exception cref="ArgumentException">A KV cache of that type does not exist.</exception>
    internal static void CheckKvCacheType(DataType type, string parameter)
    {
        if (type is not (DataType.Float32 or DataType.BFloat16 or DataType.Int8))
        {
            throw ModelErrors.InvalidKvCacheType(type, parameter);
        }
    }

    /// <summary>As <see cref="Forward"/>, for whoever has checked the ids and entered the session.</summary>
    internal void Advance(ReadOnlySpan<int> ids, Span<float> lastLogits, CancellationToken cancellationToken)
    {
        int before = Position;
        try
        {
            if (ids.Length == 1)
            {
                Decode(ids, lastLogits, cancellationToken);
                return;
            }
            while (!ids.IsEmpty)
            {
                int count = Pass(ids, cancellationToken);
                ids = ids[count..];
                if (ids.IsEmpty && !lastLogits.IsEmpty)
                {
                    Read(_model.Decoder.Logits(_workspace, count - 1, 1), lastLogits);
                }
            }
        }
        catch
        {
            Rewind(before);
            throw;
        }
    }

    /// <summary>Log-probability of one token by the logits of the last <see cref="Advance"/>.</summary>
    internal float LastLogProbability(int id)
    {
        float result = 0;
        ScoreRows(_workspace.Logits(1), new ReadOnlySpan<int>(in id), new Span<float>(ref result));
        return result;
    }

    /// <summary>Feeds one token. Its operations are those of the token before, so the device may run them as one.</summary>
    private void Decode(ReadOnlySpan<int> id, Span<float> logits, CancellationToken cancellationToken)
    {
        Upload(id);
        TensorView computed = default;
        using (DeviceStep step = _model.Device.BeginStep())
        {
            _model.Decoder.Forward(_workspace, _cache, cancellationToken);
            if (!logits.IsEmpty)
            {
                computed = _model.Decoder.Logits(_workspace, 0, 1);
            }
            step.End();
        }
        Keep(id);
        if (!logits.IsEmpty)
        {
            Read(computed, logits);
        }
    }

    /// <summary>Feeds as many of <paramref name="ids"/> as one pass takes, and returns how many.</summary>
    private int Pass(ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        ids = ids[..Math.Min(ids.Length, _workspace.Capacity)];
        Upload(ids);
        _model.Decoder.Forward(_workspace, _cache, cancellationToken);
        Keep(ids);
        return ids.Length;
    }

    /// <summary>Makes <paramref name="ids"/> the tokens of the pass to come.</summary>
    private void Upload(ReadOnlySpan<int> ids)
    {
        int count = ids.Length;
        _workspace.Rows = count;
        _workspace.Rotary = _model.Rotary.Get(Position + count);
        Span<uint> upload = _upload.AsSpan(0, count);
        for (int i = 0; i < count; i++)
        {
            upload[i] = (uint)(Position + i);
        }
        Write(_workspace.Positions, upload);
        Write(_workspace.Ids, MemoryMarshal.Cast<int, uint>(ids));
    }

    private void Keep(ReadOnlySpan<int> ids)
    {
        ids.CopyTo(_tokens.AsSpan(Position));
        Position += ids.Length;
    }

    private void ScoreRows(in TensorView logits, ReadOnlySpan<int> targets, Span<float> logProbabilities)
    {
        // The ids of the pass have served; their place takes the targets.
        TensorView ids = _workspace.Ids.SliceColumns(0, targets.Length);
        Write(ids, MemoryMarshal.Cast<int, uint>(targets));
        TensorView result = _workspace.LogProbabilities(targets.Length);
        Operations.TokenLogProbability(logits, ids, result);
        Read(result, logProbabilities);
    }

    private void Rewind(int length)
    {
        Position = length;
        _cache.Truncate(length);
    }

    private void CheckIds(ReadOnlySpan<int> ids, string parameter)
    {
        if (ids.IsEmpty)
        {
            throw ModelErrors.EmptyPrompt(parameter);
        }
        if (ids.Length > Capacity - Position)
        {
            throw ModelErrors.PromptTooLong(Capacity, Position, ids.Length, parameter);
        }
        CheckVocabulary(ids, parameter);
    }

    private void CheckVocabulary(ReadOnlySpan<int> ids, string parameter)
    {
        for (int i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)_model.VocabularySize)
            {
                throw ModelErrors.TokenOutOfRange(i, ids[i], _model.VocabularySize, parameter);
            }
        }
    }

    private void Enter()
    {
        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            throw ModelErrors.SessionBusy();
        }
    }

    private void Leave() => Volatile.Write(ref _busy, 0);

    private static void Write(in TensorView view, ReadOnlySpan<uint> values) => view.Buffer.Write(values, view.ByteOffset);

    private static void Read(in TensorView view, Span<float> values) => view.Buffer.Read(values, view.ByteOffset);
}

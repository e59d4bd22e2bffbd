namespace NativeQuant.Models;

/// <summary>
/// Scratch memory of one session: every intermediate result of a forward pass over at most <see cref="Capacity"/> tokens, allocated
/// once. The views cover the <see cref="Rows"/> tokens of the current pass. One thread at a time.
/// </summary>
/// <remarks>Activations are f32. Views of results that are never alive together share memory: see the properties.</remarks>
internal sealed class Workspace : IDisposable
{
    // Bytes of logits computed at a time when a pass wants the logits of many tokens.
    private const long LogitsBytes = 64L << 20;

    private readonly DeviceBuffer _activations;
    private readonly DeviceBuffer _tokens;
    private readonly TensorView _hidden, _normed, _queries, _keys, _values, _attended, _gate, _up;
    private readonly TensorView _ids, _positions, _logProbabilities, _logits;

    public Workspace(Device device, DecoderDescription model, int capacity)
    {
        Capacity = capacity;
        LogitRows = (int)Math.Clamp(LogitsBytes / sizeof(float) / model.VocabularySize, 1, capacity);
        long hidden = model.HiddenSize;
        long queries = (long)model.Attention.Heads * model.Attention.HeadDim;
        long keys = (long)model.Attention.KeyValueHeads * model.Attention.HeadDim;
        long intermediate = model.Mlp.IntermediateSize;
        long logits = (long)LogitRows * model.VocabularySize;
        long floats = capacity * (2 * hidden + 2 * queries + 2 * keys + 2 * intermediate) + logits;

        _activations = new DeviceBuffer(device, floats * sizeof(float));
        _tokens = new DeviceBuffer(device, 3L * capacity * sizeof(uint));
        long offset = 0;
        _hidden = Take(capacity, hidden);
        _normed = Take(capacity, hidden);
        _queries = Take(capacity, queries);
        _keys = Take(capacity, keys);
        _values = Take(capacity, keys);
        _attended = Take(capacity, queries);
        _gate = Take(capacity, intermediate);
        _up = Take(capacity, intermediate);
        _logits = Take(LogitRows, model.VocabularySize);
        _ids = _tokens.View(DataType.UInt32, 1, capacity);
        _positions = _tokens.View(DataType.UInt32, 1, capacity, (long)capacity * sizeof(uint));
        _logProbabilities = _tokens.View(DataType.Float32, 1, capacity, 2L * capacity * sizeof(uint));

        TensorView Take(long rows, long columns)
        {
            TensorView view = _activations.View(DataType.Float32, rows, columns, offset);
            offset += rows * columns * sizeof(float);
            return view;
        }
    }

    /// <summary>Most tokens of one pass.</summary>
    public int Capacity { get; }

    /// <summary>Most rows of logits at a time.</summary>
    public int LogitRows { get; }

    /// <summary>Tokens of the current pass; set before the views are used.</summary>
    public int Rows { get; set; }

    /// <summary>Residual stream [Rows, hidden].</summary>
    public TensorView Hidden => _hidden.SliceRows(0, Rows);

    /// <summary>Input of a block [Rows, hidden].</summary>
    public TensorView Normed => _normed.SliceRows(0, Rows);

    /// <summary>Queries [Rows, heads * head dim].</summary>
    public TensorView Queries => _queries.SliceRows(0, Rows);

    /// <summary>Keys [Rows, key-value heads * head dim].</summary>
    public TensorView Keys => _keys.SliceRows(0, Rows);

    /// <summary>Values [Rows, key-value heads * head dim].</summary>
    public TensorView Values => _values.SliceRows(0, Rows);

    /// <summary>Attention result [Rows, heads * head dim].</summary>
    public TensorView Attended => _attended.SliceRows(0, Rows);

    /// <summary>Gate of the MLP [Rows, intermediate]; takes the gated product in place.</summary>
    public TensorView Gate => _gate.SliceRows(0, Rows);

    /// <summary>Up projection of the MLP [Rows, intermediate].</summary>
    public TensorView Up => _up.SliceRows(0, Rows);

    /// <summary>Token ids, u32 [1, Rows].</summary>
    public TensorView Ids => _ids.SliceColumns(0, Rows);

    /// <summary>Positions, u32 [1, Rows].</summary>
    public TensorView Positions => _positions.SliceColumns(0, Rows);

    /// <summary>Rotary tables that reach past the last position of the pass; set before the pass.</summary>
    public RotaryTables.Table Rotary { get; set; }

    /// <summary>Logits of <paramref name="count"/> tokens [count, vocabulary], count at most <see cref="LogitRows"/>.</summary>
    public TensorView Logits(int count) => _logits.SliceRows(0, count);

    /// <summary>Log-probabilities of <paramref name="count"/> tokens, f32 [1, count].</summary>
    public TensorView LogProbabilities(int count) => _logProbabilities.SliceColumns(0, count);

    public void Dispose()
    {
        _activations.Dispose();
        _tokens.Dispose();
    }
}

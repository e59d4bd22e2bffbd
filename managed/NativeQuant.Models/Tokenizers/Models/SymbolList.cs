namespace NativeQuant.Models.Tokenizers;

/// <summary>The symbols of a word while it is merged: token ids with the chars they stand for, in three parts of one rented array.</summary>
internal ref struct SymbolList(Span<int> storage, int capacity)
{
    private readonly Span<int> ids = storage[..capacity];
    private readonly Span<int> starts = storage.Slice(capacity, capacity);
    private readonly Span<int> ends = storage.Slice(2 * capacity, capacity);

    public int Count { get; private set; }

    public readonly Span<int> Ids => ids[..Count];

    public readonly Span<int> Starts => starts[..Count];

    public readonly Span<int> Ends => ends[..Count];

    public void Add(int id, int start, int end)
    {
        (ids[Count], starts[Count], ends[Count]) = (id, start, end);
        Count++;
    }

    /// <summary>Merges the symbol at <paramref name="index"/> with the one after it.</summary>
    public void MergeWithNext(int index, int merged)
    {
        ids[index] = merged;
        ends[index] = ends[index + 1];
        ids[(index + 2)..Count].CopyTo(ids[(index + 1)..]);
        starts[(index + 2)..Count].CopyTo(starts[(index + 1)..]);
        ends[(index + 2)..Count].CopyTo(ends[(index + 1)..]);
        Count--;
    }

    /// <summary>Keeps the first symbols only, after the caller has moved them to the front.</summary>
    public void Truncate(int count) => Count = count;
}

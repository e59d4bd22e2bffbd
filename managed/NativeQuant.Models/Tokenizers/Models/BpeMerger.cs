using System.Buffers;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Merges pairs of symbols, lowest rank first and leftmost among equals, until no pair merges.</summary>
internal static class BpeMerger
{
    /// <summary>Up to here a plain scan for the lowest rank beats the heap.</summary>
    private const int MaxScanned = 64;

    private const int NoRank = int.MaxValue;

    public static void Merge(ref SymbolList symbols, MergeTable merges)
    {
        if (symbols.Count <= 1)
        {
            return;
        }

        if (symbols.Count <= MaxScanned)
        {
            MergeByScan(ref symbols, merges);
        }
        else
        {
            MergeByHeap(ref symbols, merges);
        }
    }

    private static void MergeByScan(ref SymbolList symbols, MergeTable merges)
    {
        // ranks[i] and merged[i] belong to the pair (i, i + 1).
        Span<int> ranks = stackalloc int[MaxScanned];
        Span<int> merged = stackalloc int[MaxScanned];
        for (int i = 0; i + 1 < symbols.Count; i++)
        {
            ranks[i] = RankOf(symbols.Ids, i, merges, out merged[i]);
        }

        while (symbols.Count > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < symbols.Count; i++)
            {
                if (ranks[i] < ranks[best])
                {
                    best = i;
                }
            }

            if (ranks[best] == NoRank)
            {
                return;
            }

            int pairs = symbols.Count - 1;
            symbols.MergeWithNext(best, merged[best]);
            if (best + 1 < pairs)
            {
                ranks[(best + 2)..pairs].CopyTo(ranks[(best + 1)..]);
                merged[(best + 2)..pairs].CopyTo(merged[(best + 1)..]);
                ranks[best] = RankOf(symbols.Ids, best, merges, out merged[best]);
            }

            if (best > 0)
            {
                ranks[best - 1] = RankOf(symbols.Ids, best - 1, merges, out merged[best - 1]);
            }
        }
    }

    private static int RankOf(ReadOnlySpan<int> ids, int index, MergeTable merges, out int merged) =>
        merges.TryGet(ids[index], ids[index + 1], out int rank, out merged) ? rank : NoRank;

    /// <summary>The same in O(n log n): a linked list of symbols and a heap of candidate pairs, in which outdated ones are passed over.</summary>
    private static void MergeByHeap(ref SymbolList symbols, MergeTable merges)
    {
        int count = symbols.Count;
        int[] links = ArrayPool<int>.Shared.Rent(checked(2 * count));
        Span<int> next = links.AsSpan(0, count);
        Span<int> previous = links.AsSpan(count, count);
        Span<int> ids = symbols.Ids;
        Span<int> ends = symbols.Ends;
        var heap = new MergeHeap(count);
        for (int i = 0; i < count; i++)
        {
            (next[i], previous[i]) = (i + 1, i - 1);
            if (i + 1 < count && merges.TryGet(ids[i], ids[i + 1], out int rank, out _))
            {
                heap.Push(rank, i);
            }
        }

        const int Removed = -1;
        while (heap.TryPop(out int rank, out int position))
        {
            int right = ids[position] == Removed ? count : next[position];
            if (right == count || !merges.TryGet(ids[position], ids[right], out int currentRank, out int merged) || currentRank != rank)
            {
                continue;
            }

            ids[position] = merged;
            ends[position] = ends[right];
            ids[right] = Removed;
            int after = next[position] = next[right];
            if (after < count)
            {
                previous[after] = position;
                if (merges.TryGet(merged, ids[after], out int rightRank, out _))
                {
                    heap.Push(rightRank, position);
                }
            }

            int before = previous[position];
            if (before >= 0 && merges.TryGet(ids[before], merged, out int leftRank, out _))
            {
                heap.Push(leftRank, before);
            }
        }

        Compact(ref symbols, next);
        ArrayPool<int>.Shared.Return(links);
    }

    private static void Compact(ref SymbolList symbols, ReadOnlySpan<int> next)
    {
        int kept = 0;
        for (int i = 0, count = symbols.Count; i < count; i = next[i])
        {
            symbols.Ids[kept] = symbols.Ids[i];
            symbols.Starts[kept] = symbols.Starts[i];
            symbols.Ends[kept] = symbols.Ends[i];
            kept++;
        }

        symbols.Truncate(kept);
    }
}

using System.Runtime.InteropServices;

namespace NativeQuant.Models.Tokenizers;

/// <summary>A normalized text on its way to the model: its pieces, and where each char of it came from once chars have been mapped.</summary>
/// <remarks>Belongs to one call. Pieces are never empty and in order.</remarks>
internal sealed class PreTokenizedText
{
    private readonly bool keepWhole;
    private readonly List<(int Start, int End, bool IsMatch)> cuts = [];
    private List<Piece> pieces = [];
    private List<Piece> spare = [];
    private ReadOnlyMemory<char> text;
    private int[]? sourceStarts;
    private int[]? sourceEnds;

    /// <param name="source">The normalized text.</param>
    /// <param name="startsText">Whether it begins at the beginning of the whole input.</param>
    /// <param name="keepWhole">Whether splits are to be ignored.</param>
    /// <param name="trackOffsets">Whether <see cref="SourceRange"/> will be asked for.</param>
    public PreTokenizedText(string source, bool startsText, bool keepWhole, bool trackOffsets)
    {
        this.keepWhole = keepWhole;
        text = source.AsMemory();
        TracksOffsets = trackOffsets;
        if (source.Length > 0)
        {
            pieces.Add(new Piece(0, source.Length, startsText));
        }
    }

    /// <summary>A range of the text as it is now; <paramref name="StartsText"/> where nothing of the input comes before it.</summary>
    public readonly record struct Piece(int Start, int Length, bool StartsText);

    public bool TracksOffsets { get; }

    /// <summary>The pieces; valid until the next split or rewrite.</summary>
    public ReadOnlySpan<Piece> Pieces => CollectionsMarshal.AsSpan(pieces);

    /// <summary>The text that the pieces are ranges of, as it is now.</summary>
    public ReadOnlySpan<char> Text => text.Span;

    /// <summary>The range of the normalized text that the chars from <paramref name="start"/> to before <paramref name="end"/> stand for.</summary>
    public (int Start, int End) SourceRange(int start, int end) => sourceStarts is null
        ? (start, end)
        : start == end ? (sourceStarts[start], sourceStarts[start]) : (sourceStarts[start], sourceEnds![end - 1]);

    /// <summary>Splits every piece at the matches of a pattern (<paramref name="invert"/>: at what lies between them).</summary>
    public void Split(TextPattern pattern, SplitBehavior behavior, bool invert = false)
    {
        if (keepWhole)
        {
            return;
        }

        spare.Clear();
        ReadOnlySpan<char> all = text.Span;
        foreach (Piece piece in pieces)
        {
            ReadOnlySpan<char> span = all.Slice(piece.Start, piece.Length);
            if (behavior == SplitBehavior.Isolated)
            {
                SplitIsolated(pattern, piece, span);
                continue;
            }

            FindCuts(pattern, invert, span);
            MergeCuts(behavior);
            foreach ((int start, int end, _) in cuts)
            {
                AddPiece(piece, start, end);
            }
        }

        (pieces, spare) = (spare, pieces);
    }

    /// <summary>Rewrites every piece: <paramref name="rewrite"/> gets the piece and appends what it becomes.</summary>
    public void Rewrite(Action<Piece, ReadOnlySpan<char>, PieceWriter> rewrite)
    {
        ReadOnlySpan<char> all = text.Span;
        var writer = new PieceWriter(text.Length, TracksOffsets, sourceStarts, sourceEnds);
        spare.Clear();
        foreach (Piece piece in pieces)
        {
            int start = writer.Begin(piece.Start);
            rewrite(piece, all.Slice(piece.Start, piece.Length), writer);
            spare.Add(piece with { Start = start, Length = writer.Length - start });
        }

        (text, sourceStarts, sourceEnds) = writer.Finish();
        (pieces, spare) = (spare, pieces);
    }

    private void SplitIsolated(TextPattern pattern, Piece piece, ReadOnlySpan<char> span)
    {
        // Matches and what lies between them are pieces alike, so that inverting makes no difference.
        int position = 0;
        while (position < span.Length && pattern.TryFind(span, position, out int matchStart, out int matchEnd))
        {
            AddPiece(piece, position, matchStart);
            AddPiece(piece, matchStart, matchEnd);
            position = matchEnd;
        }

        AddPiece(piece, position, span.Length);
    }

    private void AddPiece(Piece parent, int start, int end)
    {
        if (end > start)
        {
            spare.Add(new Piece(parent.Start + start, end - start, parent.StartsText && start == 0));
        }
    }

    private void FindCuts(TextPattern pattern, bool invert, ReadOnlySpan<char> span)
    {
        cuts.Clear();
        int position = 0;
        while (position < span.Length && pattern.TryFind(span, position, out int matchStart, out int matchEnd))
        {
            if (matchStart > position)
            {
                cuts.Add((position, matchStart, invert));
            }

            cuts.Add((matchStart, matchEnd, !invert));
            position = matchEnd;
        }

        if (position < span.Length)
        {
            cuts.Add((position, span.Length, invert));
        }
    }

    private void MergeCuts(SplitBehavior behavior)
    {
        switch (behavior)
        {
            case SplitBehavior.Removed:
                cuts.RemoveAll(cut => cut.IsMatch);
                break;
            case SplitBehavior.Contiguous:
                MergeWithPrevious((previous, current) => previous == current);
                break;
            case SplitBehavior.MergedWithPrevious:
                MergeWithPrevious((previous, current) => current && !previous);
                break;
            case SplitBehavior.MergedWithNext:
                MergeWithNext();
                break;
        }
    }

    private void MergeWithPrevious(Func<bool, bool, bool> merge)
    {
        int count = 0;
        bool previous = false;
        foreach ((int start, int end, bool isMatch) in cuts.ToArray())
        {
            if (count > 0 && merge(previous, isMatch))
            {
                cuts[count - 1] = cuts[count - 1] with { End = end };
            }
            else
            {
                cuts[count++] = (start, end, isMatch);
            }

            previous = isMatch;
        }

        cuts.RemoveRange(count, cuts.Count - count);
    }

    private void MergeWithNext()
    {
        int first = cuts.Count;
        bool next = false;
        for (int i = cuts.Count - 1; i >= 0; i--)
        {
            (int start, int end, bool isMatch) = cuts[i];
            if (first < cuts.Count && isMatch && !next)
            {
                cuts[first] = cuts[first] with { Start = start };
            }
            else
            {
                cuts[--first] = (start, end, isMatch);
            }

            next = isMatch;
        }

        cuts.RemoveRange(0, first);
    }
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>The text that pieces are rewritten into, with the origin of each char where offsets are asked for.</summary>
internal sealed class PieceWriter(int capacity, bool trackOffsets, int[]? previousStarts, int[]? previousEnds)
{
    private char[] chars = new char[Math.Max(16, capacity)];
    private int[]? starts = trackOffsets ? new int[Math.Max(16, capacity)] : null;
    private int[]? ends = trackOffsets ? new int[Math.Max(16, capacity)] : null;
    private int pieceStart;

    public int Length { get; private set; }

    /// <summary>Begins the piece that stood at <paramref name="start"/>; returns where it stands now.</summary>
    public int Begin(int start)
    {
        pieceStart = start;
        return Length;
    }

    /// <summary>Appends a char that stands for the piece's chars from <paramref name="start"/> to before <paramref name="end"/> (none: it was inserted there).</summary>
    public void Append(char c, int start, int end)
    {
        if (Length == chars.Length)
        {
            Grow();
        }

        chars[Length] = c;
        if (starts is not null)
        {
            (starts[Length], ends![Length]) = Source(pieceStart + start, pieceStart + end);
        }

        Length++;
    }

    public (ReadOnlyMemory<char> Text, int[]? Starts, int[]? Ends) Finish() => (chars.AsMemory(0, Length), starts, ends);

    private (int Start, int End) Source(int start, int end) => previousStarts is null
        ? (start, end)
        : start == end ? (previousStarts[start], previousStarts[start]) : (previousStarts[start], previousEnds![end - 1]);

    private void Grow()
    {
        int size = checked(chars.Length * 2);
        Array.Resize(ref chars, size);
        if (starts is not null)
        {
            Array.Resize(ref starts, size);
            Array.Resize(ref ends, size);
        }
    }
}

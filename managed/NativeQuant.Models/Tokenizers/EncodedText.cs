using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>What an encoding run collects: ids, and where asked for their ranges in the normalized text.</summary>
internal sealed class EncodedText(bool trackOffsets, int maxTokenCount)
{
    public List<int> Ids { get; private set; } = [];

    /// <summary>One range per id; empty unless offsets are tracked.</summary>
    public List<(int Start, int End)> Ranges { get; private set; } = [];

    /// <summary>The normalized text so far; empty unless offsets are tracked.</summary>
    public StringBuilder NormalizedText { get; } = new();

    public bool TracksOffsets => trackOffsets;

    /// <summary>Whether there are more tokens than were asked for, so that the run can end.</summary>
    public bool IsFull => Ids.Count > maxTokenCount;

    /// <summary>Adds an added token that stands for <paramref name="source"/>.</summary>
    public void AddToken(int id, ReadOnlySpan<char> source)
    {
        Ids.Add(id);
        if (trackOffsets)
        {
            Ranges.Add((NormalizedText.Length, NormalizedText.Length + source.Length));
            NormalizedText.Append(source);
        }
    }

    /// <summary>Adds the words of a pre-tokenized text whose normalized form is <paramref name="source"/>.</summary>
    public void AddWords(PreTokenizedText text, TokenModel model, string source)
    {
        ReadOnlySpan<char> all = text.Text;
        foreach (PreTokenizedText.Piece piece in text.Pieces)
        {
            EncodedWord word = model.Encode(all.Slice(piece.Start, piece.Length));
            Ids.AddRange(word.Ids.AsSpan());
            if (trackOffsets)
            {
                AddRanges(text, piece, word);
            }

            if (IsFull && !trackOffsets)
            {
                return;
            }
        }

        if (trackOffsets)
        {
            NormalizedText.Append(source);
        }
    }

    /// <summary>Puts special tokens around: <paramref name="parts"/> holds ids, and null where the tokens so far belong.</summary>
    public void Arrange(IReadOnlyList<int?> parts)
    {
        var ids = new List<int>(Ids.Count + parts.Count);
        var ranges = new List<(int Start, int End)>(Ranges.Count + parts.Count);
        int position = 0;
        foreach (int? part in parts)
        {
            if (part is { } id)
            {
                ids.Add(id);
                ranges.Add((position, position));
            }
            else
            {
                ids.AddRange(Ids);
                ranges.AddRange(Ranges);
                position = NormalizedText.Length;
            }
        }

        Ids = ids;
        Ranges = ranges;
    }

    private void AddRanges(PreTokenizedText text, PreTokenizedText.Piece piece, EncodedWord word)
    {
        int offset = NormalizedText.Length;
        for (int i = 0; i < word.Ids.Length; i++)
        {
            (int start, int end) = text.SourceRange(piece.Start + word.Starts[i], piece.Start + word.Ends[i]);
            Ranges.Add((offset + start, offset + end));
        }
    }
}

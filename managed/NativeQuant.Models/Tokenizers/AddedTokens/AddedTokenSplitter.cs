namespace NativeQuant.Models.Tokenizers;

/// <summary>Cuts added tokens out of a text: those found in the text as given, or those found after normalization.</summary>
internal sealed class AddedTokenSplitter
{
    private readonly IReadOnlyList<AddedToken> tokens;
    private readonly TokenTrie trie;

    /// <param name="tokens">The tokens.</param>
    /// <param name="spellings">What to look for, one for each token.</param>
    public AddedTokenSplitter(IReadOnlyList<AddedToken> tokens, IReadOnlyList<string> spellings)
    {
        this.tokens = tokens;
        trie = new TokenTrie(spellings);
    }

    /// <summary>A range of the text: an added token, or text between such (<paramref name="Token"/> is null).</summary>
    public readonly record struct Part(AddedToken? Token, int Start, int End);

    /// <summary>Cuts the text into parts without gaps.</summary>
    public List<Part> Split(ReadOnlySpan<char> text)
    {
        var parts = new List<Part>();
        int done = 0;
        int position = 0;
        while (position < text.Length && trie.TryFind(text, position, out int start, out int end, out int value))
        {
            position = end;
            AddedToken token = tokens[value];
            if (token.SingleWord && !IsSingleWord(text, start, end))
            {
                continue;
            }

            if (token.LeftStrip)
            {
                start = Math.Max(done, text[..start].TrimEnd().Length);
            }

            if (token.RightStrip)
            {
                end = text.Length - text[end..].TrimStart().Length;
            }

            if (done < start)
            {
                parts.Add(new Part(null, done, start));
            }

            parts.Add(new Part(token, start, end));
            done = end;
        }

        if (done < text.Length)
        {
            parts.Add(new Part(null, done, text.Length));
        }

        return parts;
    }

    private static bool IsSingleWord(ReadOnlySpan<char> text, int start, int end)
    {
        int before = start > 1 && char.IsLowSurrogate(text[start - 1]) ? start - 2 : start - 1;
        return (start == 0 || !CodePoint.IsWord(CodePoint.At(text, before, out _)))
            && (end == text.Length || !CodePoint.IsWord(CodePoint.At(text, end, out _)));
    }
}

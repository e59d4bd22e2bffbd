namespace NativeQuant.Models.Tokenizers;

/// <summary>Something that can be searched for in a text: a literal, a regular expression, or a hand-written scanner for a well-known one.</summary>
/// <remarks>Immutable and thread-safe. Matches are ranges of UTF-16 chars that never split a code point.</remarks>
internal abstract class TextPattern
{
    /// <summary>Finds the leftmost match that begins at or after <paramref name="start"/>. Empty matches are never reported.</summary>
    public abstract bool TryFind(ReadOnlySpan<char> text, int start, out int matchStart, out int matchEnd);

    /// <summary>The text with every match replaced.</summary>
    public string Replace(string text, string replacement)
    {
        if (!TryFind(text, 0, out int matchStart, out int matchEnd))
        {
            return text;
        }

        var result = new System.Text.StringBuilder(text.Length);
        int position = 0;
        do
        {
            result.Append(text, position, matchStart - position).Append(replacement);
            position = matchEnd;
        }
        while (TryFind(text, position, out matchStart, out matchEnd));

        return result.Append(text, position, text.Length - position).ToString();
    }
}

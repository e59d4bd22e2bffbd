namespace NativeQuant.Models.Tokenizers;

/// <summary>A text to be found as it stands, compared char by char. An empty literal is never found.</summary>
internal sealed class LiteralPattern(string literal) : TextPattern
{
    public override bool TryFind(ReadOnlySpan<char> text, int start, out int matchStart, out int matchEnd)
    {
        int offset = literal.Length == 0 ? -1 : text[start..].IndexOf(literal, StringComparison.Ordinal);
        matchStart = start + offset;
        matchEnd = matchStart + literal.Length;
        return offset >= 0;
    }
}

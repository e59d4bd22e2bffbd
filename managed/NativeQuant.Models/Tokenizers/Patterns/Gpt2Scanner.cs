namespace NativeQuant.Models.Tokenizers;

/// <summary>GPT-2's words: contractions, letters, numbers or other characters with one space before, and runs of white space.</summary>
internal sealed class Gpt2Scanner : WordScanner
{
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    protected override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        int contraction = SkipContraction(text, start, ignoreCase: false);
        if (contraction > start)
        {
            return contraction;
        }

        CharClass kind = ClassAt(text, start, out int length);
        int next = start + length;
        if (text[start] == ' ' && next < text.Length)
        {
            CharClass following = ClassAt(text, next, out int followingLength);
            if ((following & CharClass.Space) == 0)
            {
                kind = following;
                next += followingLength;
            }
        }

        return (kind & CharClass.Letter) != 0 ? SkipWhile(text, next, CharClass.Letter)
            : (kind & CharClass.Number) != 0 ? SkipWhile(text, next, CharClass.Number)
            : (kind & CharClass.Space) != 0 ? SkipWhiteSpace(text, start, lineBreaks: false)
            : SkipUntil(text, next, CharClass.Space | CharClass.Letter | CharClass.Number);
    }
}

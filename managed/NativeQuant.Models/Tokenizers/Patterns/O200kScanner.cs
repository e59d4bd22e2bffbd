namespace NativeQuant.Models.Tokenizers;

/// <summary>The words of GPT-4o and gpt-oss: words also end where lower case turns into upper case, and keep their contraction.</summary>
internal sealed class O200kScanner : WordScanner
{
    public const string Pattern =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    protected override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        CharClass kind = ClassAt(text, start, out int length);
        int next = start + length;
        if ((kind & CharClass.Number) != 0)
        {
            return SkipNumbers(text, start, 3);
        }

        // Both word alternatives may take one character that is no letter, number or line break first; a mark can be
        // that character or belong to the word, and the first choice of the pattern is to take it as that character.
        bool leads = (kind & (CharClass.Letter | CharClass.Number | CharClass.LineBreak)) == 0;
        int end = (leads ? LowerWordEnd(text, next) : 0) is > 0 and int withLead ? withLead : LowerWordEnd(text, start);
        if (end == 0)
        {
            end = (leads ? UpperWordEnd(text, next) : 0) is > 0 and int upperWithLead ? upperWithLead : UpperWordEnd(text, start);
        }

        if (end > 0)
        {
            return SkipContraction(text, end, ignoreCase: true);
        }

        const CharClass WordLike = CharClass.Space | CharClass.Letter | CharClass.Number;
        CharClass following = next < text.Length ? ClassAt(text, next, out _) : CharClass.Space;
        if ((kind & CharClass.Space) == 0 || (text[start] == ' ' && (following & WordLike) == 0))
        {
            end = SkipUntil(text, next, WordLike);
            while (end < text.Length && text[end] is '\r' or '\n' or '/')
            {
                end++;
            }

            return end;
        }

        return SkipWhiteSpace(text, start, lineBreaks: true);
    }

    /// <summary><c>Upper* Lower+</c>, where caseless letters and marks are both; 0 where it does not match.</summary>
    private static int LowerWordEnd(ReadOnlySpan<char> text, int start)
    {
        int upperEnd = SkipWhile(text, start, CharClass.Upper);
        int end = SkipWhile(text, upperEnd, CharClass.Lower);
        if (end > upperEnd)
        {
            return end;
        }

        // Give characters back until one can serve as the lower-case part; it is followed by upper case only, so it is alone.
        for (int index = upperEnd; index > start;)
        {
            index -= index - start > 1 && char.IsLowSurrogate(text[index - 1]) ? 2 : 1;
            if ((ClassAt(text, index, out int length) & CharClass.Lower) != 0)
            {
                return index + length;
            }
        }

        return 0;
    }

    /// <summary><c>Upper+ Lower*</c>; 0 where it does not match.</summary>
    private static int UpperWordEnd(ReadOnlySpan<char> text, int start)
    {
        int upperEnd = SkipWhile(text, start, CharClass.Upper);
        return upperEnd == start ? 0 : SkipWhile(text, upperEnd, CharClass.Lower);
    }
}

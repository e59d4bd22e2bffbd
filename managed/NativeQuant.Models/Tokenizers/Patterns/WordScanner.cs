using System.Globalization;
using System.Runtime.CompilerServices;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Base of the hand-written scanners: patterns that cut any text into words without gaps, one word per call.</summary>
internal abstract class WordScanner : TextPattern
{
    private static readonly byte[] AsciiClasses = [.. Enumerable.Range(0, 128).Select(c => (byte)ClassOfAny(c))];

    /// <summary>What the patterns below ask about a code point.</summary>
    [Flags]
    protected enum CharClass : byte
    {
        None = 0,
        Letter = 1,
        Number = 2,
        Space = 4,
        LineBreak = 8,
        Upper = 16,
        Lower = 32,
        Mark = 64,
    }

    public sealed override bool TryFind(ReadOnlySpan<char> text, int start, out int matchStart, out int matchEnd)
    {
        matchStart = start;
        matchEnd = start < text.Length ? WordEnd(text, start) : start;
        return matchEnd > start;
    }

    /// <summary>The end of the word that begins at <paramref name="start"/>, which is inside the text.</summary>
    protected abstract int WordEnd(ReadOnlySpan<char> text, int start);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static CharClass ClassAt(ReadOnlySpan<char> text, int index, out int length)
    {
        char c = text[index];
        if (c < 128)
        {
            length = 1;
            return (CharClass)AsciiClasses[c];
        }

        return ClassOfAny(CodePoint.At(text, index, out length));
    }

    /// <summary>Skips code points of any of the classes.</summary>
    protected static int SkipWhile(ReadOnlySpan<char> text, int index, CharClass any)
    {
        while (index < text.Length && (ClassAt(text, index, out int length) & any) != 0)
        {
            index += length;
        }

        return index;
    }

    /// <summary>Skips code points of none of the classes.</summary>
    protected static int SkipUntil(ReadOnlySpan<char> text, int index, CharClass any)
    {
        while (index < text.Length && (ClassAt(text, index, out int length) & any) == 0)
        {
            index += length;
        }

        return index;
    }

    /// <summary><c>\p{N}{1,n}</c></summary>
    protected static int SkipNumbers(ReadOnlySpan<char> text, int index, int atMost)
    {
        for (int count = 0; count < atMost && index < text.Length && (ClassAt(text, index, out int length) & CharClass.Number) != 0; count++)
        {
            index += length;
        }

        return index;
    }

    /// <summary><c>'s|'t|'re|'ve|'m|'ll|'d</c> at <paramref name="index"/>; the index itself where there is none.</summary>
    protected static int SkipContraction(ReadOnlySpan<char> text, int index, bool ignoreCase)
    {
        if (index + 1 >= text.Length || text[index] != '\'')
        {
            return index;
        }

        char first = Fold(text[index + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
        {
            return index + 2;
        }

        char second = index + 2 < text.Length ? Fold(text[index + 2], ignoreCase) : '\0';
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? index + 3 : index;
    }

    /// <summary><c>\s*[\r\n]+|\s+(?!\S)|\s+</c> at a white space; <paramref name="lineBreaks"/> says whether the first alternative is there.</summary>
    protected static int SkipWhiteSpace(ReadOnlySpan<char> text, int start, bool lineBreaks)
    {
        // All white space is in the basic plane, so it can be counted in chars.
        int end = SkipWhile(text, start, CharClass.Space);
        if (lineBreaks)
        {
            int lastBreak = text[start..end].LastIndexOfAny('\r', '\n');
            if (lastBreak >= 0)
            {
                return start + lastBreak + 1;
            }
        }

        return end == text.Length || end - start == 1 ? end : end - 1;
    }

    // The long s folds to s; no other letter of the contractions has a fold outside ASCII.
    private static char Fold(char c, bool ignoreCase) => !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;

    private static CharClass ClassOfAny(int codePoint)
    {
        uint category = CodePoint.CategoryBit(codePoint);
        if ((category & CodePoint.Letters) != 0)
        {
            return CharClass.Letter | CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
            {
                UnicodeCategory.LowercaseLetter => CharClass.Lower,
                UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharClass.Upper,
                _ => CharClass.Upper | CharClass.Lower,
            };
        }

        return (category & CodePoint.Numbers) != 0 ? CharClass.Number
            : (category & CodePoint.Marks) != 0 ? CharClass.Mark | CharClass.Upper | CharClass.Lower
            : codePoint is '\r' or '\n' ? CharClass.Space | CharClass.LineBreak
            : CodePoint.IsWhiteSpace(codePoint) ? CharClass.Space : CharClass.None;
    }
}

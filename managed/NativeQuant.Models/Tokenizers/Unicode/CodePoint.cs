using System.Globalization;
using System.Runtime.CompilerServices;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Code points of UTF-16 text and the character classes that tokenizer patterns are made of.</summary>
/// <remarks>Data: .NET's own character tables, which invariant globalization does not switch off.</remarks>
internal static class CodePoint
{
    public const uint Letters = 1u << (int)UnicodeCategory.UppercaseLetter | 1u << (int)UnicodeCategory.LowercaseLetter
        | 1u << (int)UnicodeCategory.TitlecaseLetter | 1u << (int)UnicodeCategory.ModifierLetter | 1u << (int)UnicodeCategory.OtherLetter;

    public const uint Marks = 1u << (int)UnicodeCategory.NonSpacingMark | 1u << (int)UnicodeCategory.SpacingCombiningMark
        | 1u << (int)UnicodeCategory.EnclosingMark;

    public const uint Numbers = 1u << (int)UnicodeCategory.DecimalDigitNumber | 1u << (int)UnicodeCategory.LetterNumber
        | 1u << (int)UnicodeCategory.OtherNumber;

    public const uint Punctuation = 1u << (int)UnicodeCategory.ConnectorPunctuation | 1u << (int)UnicodeCategory.DashPunctuation
        | 1u << (int)UnicodeCategory.OpenPunctuation | 1u << (int)UnicodeCategory.ClosePunctuation
        | 1u << (int)UnicodeCategory.InitialQuotePunctuation | 1u << (int)UnicodeCategory.FinalQuotePunctuation
        | 1u << (int)UnicodeCategory.OtherPunctuation;

    public const uint Symbols = 1u << (int)UnicodeCategory.MathSymbol | 1u << (int)UnicodeCategory.CurrencySymbol
        | 1u << (int)UnicodeCategory.ModifierSymbol | 1u << (int)UnicodeCategory.OtherSymbol;

    public const uint Separators = 1u << (int)UnicodeCategory.SpaceSeparator | 1u << (int)UnicodeCategory.LineSeparator
        | 1u << (int)UnicodeCategory.ParagraphSeparator;

    public const uint Others = 1u << (int)UnicodeCategory.Control | 1u << (int)UnicodeCategory.Format | 1u << (int)UnicodeCategory.Surrogate
        | 1u << (int)UnicodeCategory.PrivateUse | 1u << (int)UnicodeCategory.OtherNotAssigned;

    public const uint WordCategories = Letters | Marks | 1u << (int)UnicodeCategory.DecimalDigitNumber
        | 1u << (int)UnicodeCategory.LetterNumber | 1u << (int)UnicodeCategory.ConnectorPunctuation;

    /// <summary>The code point at <paramref name="index"/> and how many chars it takes; an unpaired surrogate stands for itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int At(ReadOnlySpan<char> text, int index, out int length)
    {
        char first = text[index];
        if (char.IsHighSurrogate(first) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            length = 2;
            return char.ConvertToUtf32(first, text[index + 1]);
        }

        length = 1;
        return first;
    }

    /// <summary>The general category as a bit, to be tested against the sets above.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint CategoryBit(int codePoint) => 1u << (int)CharUnicodeInfo.GetUnicodeCategory(codePoint);

    /// <summary>Unicode's White_Space property, <c>\s</c> of the reference's patterns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsWhiteSpace(int codePoint) => codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint);

    /// <summary><c>\w</c>: letters, marks, decimal digits, connectors, the two joiners, and the circled and squared letters that Unicode calls alphabetic.</summary>
    public static bool IsWord(int codePoint) =>
        (CategoryBit(codePoint) & WordCategories) != 0
        || codePoint is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9)
            or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);

    /// <summary>The text with every unpaired surrogate replaced by U+FFFD, which keeps all offsets; the text itself where there is none.</summary>
    public static string WellFormed(string text)
    {
        if (IndexOfLoneSurrogate(text) < 0)
        {
            return text;
        }

        return string.Create(text.Length, text, static (span, source) =>
        {
            source.CopyTo(span);
            for (int index; (index = IndexOfLoneSurrogate(span)) >= 0; span = span[(index + 1)..])
            {
                span[index] = '\uFFFD';
            }
        });
    }

    private static int IndexOfLoneSurrogate(ReadOnlySpan<char> text)
    {
        int index = 0;
        while (true)
        {
            int offset = text[index..].IndexOfAnyInRange('\uD800', '\uDFFF');
            if (offset < 0)
            {
                return -1;
            }

            index += offset;
            if (!char.IsHighSurrogate(text[index]) || index + 1 == text.Length || !char.IsLowSurrogate(text[index + 1]))
            {
                return index;
            }

            index += 2;
        }
    }
}

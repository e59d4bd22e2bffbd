using System.Globalization;

namespace NativeQuant.Models.Tokenizers;

/// <summary>A set of code points as a pattern describes it: ranges, general categories, white space and word characters, or the complement of these.</summary>
internal sealed class CharacterSet
{
    private readonly List<(int First, int Last)> ranges = [];
    private readonly List<CharacterSet> nested = [];
    private uint categories;
    private bool negated;
    private UInt128 ascii;

    public static CharacterSet AnyBut(params ReadOnlySpan<int> codePoints)
    {
        var set = new CharacterSet();
        foreach (int codePoint in codePoints)
        {
            set.AddRange(codePoint, codePoint);
        }

        return set.Negate().Freeze();
    }

    public CharacterSet AddRange(int first, int last)
    {
        ranges.Add((first, last));
        return this;
    }

    public CharacterSet AddCategories(uint bits)
    {
        categories |= bits;
        return this;
    }

    public CharacterSet Add(CharacterSet set)
    {
        nested.Add(set);
        return this;
    }

    /// <summary>Adds what differs from the members only by case: the simple case pairs, the long s and the Kelvin sign.</summary>
    public CharacterSet AddCaseVariants()
    {
        foreach ((int first, int last) in ranges.ToArray())
        {
            // Large ranges come from classes like [^...]; their case variants are inside them or are not meant.
            for (int codePoint = first; codePoint <= Math.Min(last, first + 0x3FF); codePoint++)
            {
                if (codePoint is >= 0xD800 and <= 0xDFFF)
                {
                    continue;
                }

                var rune = new System.Text.Rune(codePoint);
                AddRange(System.Text.Rune.ToLowerInvariant(rune).Value, System.Text.Rune.ToLowerInvariant(rune).Value);
                AddRange(System.Text.Rune.ToUpperInvariant(rune).Value, System.Text.Rune.ToUpperInvariant(rune).Value);
                int variant = codePoint switch { 's' or 'S' => 0x17F, 'k' or 'K' => 0x212A, 0xE5 or 0xC5 => 0x212B, _ => codePoint };
                AddRange(variant, variant);
            }
        }

        return this;
    }

    public CharacterSet Negate()
    {
        negated = !negated;
        return this;
    }

    /// <summary>Prepares the set for <see cref="Contains"/>; nothing is added afterwards.</summary>
    public CharacterSet Freeze()
    {
        ascii = UInt128.Zero;
        for (int codePoint = 0; codePoint < 128; codePoint++)
        {
            if (Evaluate(codePoint))
            {
                ascii |= UInt128.One << codePoint;
            }
        }

        return this;
    }

    public bool Contains(int codePoint) => codePoint < 128 ? (ascii >> codePoint & UInt128.One) != UInt128.Zero : Evaluate(codePoint);

    /// <summary>The categories of <c>\p{name}</c>, or null where the name is none that is known.</summary>
    public static uint? CategoriesOf(string name) => name switch
    {
        "L" or "Letter" => CodePoint.Letters,
        "M" or "Mark" => CodePoint.Marks,
        "N" or "Number" => CodePoint.Numbers,
        "P" or "Punct" or "Punctuation" => CodePoint.Punctuation,
        "S" or "Symbol" => CodePoint.Symbols,
        "Z" or "Separator" => CodePoint.Separators,
        "C" or "Other" => CodePoint.Others,
        "Lu" => Bit(UnicodeCategory.UppercaseLetter),
        "Ll" => Bit(UnicodeCategory.LowercaseLetter),
        "Lt" => Bit(UnicodeCategory.TitlecaseLetter),
        "Lm" => Bit(UnicodeCategory.ModifierLetter),
        "Lo" => Bit(UnicodeCategory.OtherLetter),
        "Mn" => Bit(UnicodeCategory.NonSpacingMark),
        "Mc" => Bit(UnicodeCategory.SpacingCombiningMark),
        "Me" => Bit(UnicodeCategory.EnclosingMark),
        "Nd" => Bit(UnicodeCategory.DecimalDigitNumber),
        "Nl" => Bit(UnicodeCategory.LetterNumber),
        "No" => Bit(UnicodeCategory.OtherNumber),
        "Pc" => Bit(UnicodeCategory.ConnectorPunctuation),
        "Pd" => Bit(UnicodeCategory.DashPunctuation),
        "Ps" => Bit(UnicodeCategory.OpenPunctuation),
        "Pe" => Bit(UnicodeCategory.ClosePunctuation),
        "Pi" => Bit(UnicodeCategory.InitialQuotePunctuation),
        "Pf" => Bit(UnicodeCategory.FinalQuotePunctuation),
        "Po" => Bit(UnicodeCategory.OtherPunctuation),
        "Sm" => Bit(UnicodeCategory.MathSymbol),
        "Sc" => Bit(UnicodeCategory.CurrencySymbol),
        "Sk" => Bit(UnicodeCategory.ModifierSymbol),
        "So" => Bit(UnicodeCategory.OtherSymbol),
        "Zs" => Bit(UnicodeCategory.SpaceSeparator),
        "Zl" => Bit(UnicodeCategory.LineSeparator),
        "Zp" => Bit(UnicodeCategory.ParagraphSeparator),
        "Cc" => Bit(UnicodeCategory.Control),
        "Cf" => Bit(UnicodeCategory.Format),
        "Co" => Bit(UnicodeCategory.PrivateUse),
        "Cn" => Bit(UnicodeCategory.OtherNotAssigned),
        _ => null,
    };

    /// <summary>The code point blocks of the scripts that tokenizer patterns name.</summary>
    public static (int First, int Last)[]? ScriptRanges(string name) => name switch
    {
        "Han" or "Script=Han" => [(0x2E80, 0x2E99), (0x2E9B, 0x2EF3), (0x2F00, 0x2FD5), (0x3005, 0x3005), (0x3007, 0x3007), (0x3021, 0x3029),
            (0x3038, 0x303B), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFA6D), (0xFA70, 0xFAD9), (0x16FE2, 0x16FE3), (0x16FF0, 0x16FF1),
            (0x20000, 0x2A6DF), (0x2A700, 0x2EE5D), (0x2F800, 0x2FA1D), (0x30000, 0x323AF)],
        _ => null,
    };

    private static uint Bit(UnicodeCategory category) => 1u << (int)category;

    private bool Evaluate(int codePoint) => Holds(codePoint) != negated;

    private bool Holds(int codePoint)
    {
        if (categories != 0 && (CodePoint.CategoryBit(codePoint) & categories) != 0)
        {
            return true;
        }

        foreach ((int first, int last) in ranges)
        {
            if (codePoint >= first && codePoint <= last)
            {
                return true;
            }
        }

        foreach (CharacterSet set in nested)
        {
            if (set.Contains(codePoint))
            {
                return true;
            }
        }

        return false;
    }
}

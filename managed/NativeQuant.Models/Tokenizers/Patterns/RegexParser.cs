using System.Globalization;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Reads the regular expressions of tokenizer files (Oniguruma's syntax as far as such files use it) over code points.</summary>
/// <remarks>What is not understood is refused by name: a pattern that is only nearly right would give wrong ids without a sign.</remarks>
internal ref struct RegexParser(string pattern)
{
    private const int MaxDepth = 64;
    private const int MaxRepeat = 1000;
    private readonly string source = pattern;
    private int position;
    private int depth;
    private bool ignoreCase;

    /// <exception cref="FormatException">The pattern is broken or uses something that is not supported; the message says which.</exception>
    public static RegexNode Parse(string pattern)
    {
        var parser = new RegexParser(pattern);
        RegexNode node = parser.ParseAlternation();
        return parser.position == pattern.Length ? node : throw parser.Error("unmatched ')'");
    }

    private readonly bool AtEnd => position >= source.Length;

    private readonly FormatException Error(string problem) => new($"{problem} at character {position} of the pattern '{source}'");

    private RegexNode ParseAlternation()
    {
        if (++depth > MaxDepth)
        {
            throw Error($"groups nested deeper than {MaxDepth}");
        }

        bool outerCase = ignoreCase;
        var choices = new List<RegexNode> { ParseConcatenation() };
        while (TryTake('|'))
        {
            choices.Add(ParseConcatenation());
        }

        ignoreCase = outerCase;
        depth--;
        return choices.Count == 1 ? choices[0] : new RegexNode.Alternation(choices);
    }

    private RegexNode ParseConcatenation()
    {
        var parts = new List<RegexNode>();
        while (!AtEnd && source[position] is not ('|' or ')'))
        {
            if (ParseAtom() is { } atom)
            {
                parts.Add(ParseQuantifiers(atom));
            }
        }

        return parts.Count == 1 ? parts[0] : new RegexNode.Concatenation(parts);
    }

    private RegexNode ParseQuantifiers(RegexNode atom)
    {
        while (!AtEnd)
        {
            (int min, int max) = (1, 1);
            switch (source[position])
            {
                case '?': (min, max) = (0, 1); position++; break;
                case '*': (min, max) = (0, int.MaxValue); position++; break;
                case '+': (min, max) = (1, int.MaxValue); position++; break;
                case '{' when TryParseBounds(out min, out max): break;
                default: return atom;
            }

            bool lazy = TryTake('?');
            bool possessive = !lazy && TryTake('+');
            if (atom is RegexNode.Assertion or RegexNode.Lookahead)
            {
                throw Error("a repeated assertion is not supported");
            }

            if (max == int.MaxValue && atom.CanBeEmpty)
            {
                throw Error("an unlimited repetition of something that can be empty is not supported");
            }

            atom = new RegexNode.Repetition(atom, min, max, lazy, possessive);
        }

        return atom;
    }

    private bool TryParseBounds(out int min, out int max)
    {
        (min, max) = (0, int.MaxValue);
        int close = source.IndexOf('}', position);
        if (close < 0)
        {
            return false;
        }

        string[] parts = source[(position + 1)..close].Split(',');
        if (parts.Length > 2
            || !int.TryParse(parts[0].Length == 0 ? "0" : parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out min)
            || (parts.Length == 1 && parts[0].Length == 0))
        {
            return false;
        }

        if (parts.Length == 1)
        {
            max = min;
        }
        else if (parts[1].Length > 0 && !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out max))
        {
            return false;
        }

        if (min > max || min > MaxRepeat || (max != int.MaxValue && max > MaxRepeat))
        {
            throw Error($"repetition bounds {{{min},{max}}} (expected at most {MaxRepeat}, in order)");
        }

        position = close + 1;
        return true;
    }

    /// <summary>One atom; null for something that matches nothing by itself, such as <c>(?i)</c>.</summary>
    private RegexNode? ParseAtom()
    {
        switch (source[position])
        {
            case '(':
                position++;
                return ParseGroup();
            case '[':
                position++;
                return new RegexNode.Set(ParseClass());
            case '.':
                position++;
                return new RegexNode.Set(CharacterSet.AnyBut('\n'));
            case '^':
                position++;
                return new RegexNode.Assertion(RegexAssertion.LineStart);
            case '$':
                position++;
                return new RegexNode.Assertion(RegexAssertion.LineEnd);
            case '*' or '+' or '?':
                throw Error("nothing to repeat");
            case '\\':
                position++;
                return ParseEscape();
            default:
                return Literal(TakeCodePoint());
        }
    }

    private RegexNode? ParseGroup()
    {
        RegexNode node;
        bool outerCase = ignoreCase;
        if (!TryTake('?'))
        {
            node = ParseAlternation();
        }
        else if (TryTake(':'))
        {
            node = ParseAlternation();
        }
        else if (TryTake('>'))
        {
            node = new RegexNode.Atomic(ParseAlternation());
        }
        else if (TryTake('='))
        {
            node = new RegexNode.Lookahead(ParseAlternation(), Negative: false);
        }
        else if (TryTake('!'))
        {
            node = new RegexNode.Lookahead(ParseAlternation(), Negative: true);
        }
        else
        {
            bool enable = !TryTake('-');
            if (!TryTake('i'))
            {
                throw Error("this kind of group is not supported");
            }

            ignoreCase = enable;
            if (TryTake(')'))
            {
                return null;
            }

            if (!TryTake(':'))
            {
                throw Error("this kind of group is not supported");
            }

            node = ParseAlternation();
            ignoreCase = outerCase;
        }

        return TryTake(')') ? node : throw Error("missing ')'");
    }

    private RegexNode ParseEscape()
    {
        if (AtEnd)
        {
            throw Error("a backslash at the end");
        }

        switch (source[position])
        {
            case 'A': position++; return new RegexNode.Assertion(RegexAssertion.TextStart);
            case 'z': position++; return new RegexNode.Assertion(RegexAssertion.TextEnd);
            case 'b': position++; return new RegexNode.Assertion(RegexAssertion.WordBoundary);
            case 'B': position++; return new RegexNode.Assertion(RegexAssertion.NotWordBoundary);
            default:
                return TryParseSetEscape(out CharacterSet? set) ? new RegexNode.Set(set!) : Literal(ParseCharacterEscape());
        }
    }

    private CharacterSet ParseClass()
    {
        var set = new CharacterSet();
        bool negate = TryTake('^');
        for (bool first = true; ; first = false)
        {
            if (AtEnd)
            {
                throw Error("missing ']'");
            }

            if (source[position] == ']' && !first)
            {
                position++;
                break;
            }

            if (source[position] == '[')
            {
                position++;
                if (!AtEnd && source[position] == ':')
                {
                    throw Error("a POSIX class is not supported");
                }

                if (++depth > MaxDepth)
                {
                    throw Error($"classes nested deeper than {MaxDepth}");
                }

                set.Add(ParseClass());
                depth--;
                continue;
            }

            if (source.AsSpan(position).StartsWith("&&"))
            {
                throw Error("an intersection of classes is not supported");
            }

            AddClassMember(set);
        }

        if (ignoreCase)
        {
            set.AddCaseVariants();
        }

        return (negate ? set.Negate() : set).Freeze();
    }

    private void AddClassMember(CharacterSet set)
    {
        int first;
        if (TryTake('\\'))
        {
            if (AtEnd)
            {
                throw Error("missing ']'");
            }

            if (TryParseSetEscape(out CharacterSet? escaped))
            {
                set.Add(escaped!);
                return;
            }

            first = source[position] == 'b' ? Take('\b') : ParseCharacterEscape();
        }
        else
        {
            first = TakeCodePoint();
        }

        if (position + 1 >= source.Length || source[position] != '-' || source[position + 1] is ']' or '[')
        {
            set.AddRange(first, first);
            return;
        }

        position++;
        int last = TryTake('\\') ? ParseCharacterEscape() : TakeCodePoint();
        if (last < first)
        {
            throw Error("a range whose end comes before its start");
        }

        set.AddRange(first, last);
    }

    /// <summary>Escapes that stand for many characters.</summary>
    private bool TryParseSetEscape(out CharacterSet? set)
    {
        char kind = source[position];
        set = char.ToLowerInvariant(kind) switch
        {
            'd' => new CharacterSet().AddCategories(1u << (int)UnicodeCategory.DecimalDigitNumber),
            's' => CharacterClasses.WhiteSpace(),
            'w' => CharacterClasses.Word(),
            'h' => new CharacterSet().AddRange('0', '9').AddRange('a', 'f').AddRange('A', 'F'),
            'p' => new CharacterSet(),
            _ => null,
        };
        if (set is null)
        {
            return false;
        }

        position++;
        bool negate = char.IsUpper(kind);
        if (kind is 'p' or 'P')
        {
            ParseProperty(set, ref negate);
        }

        if (negate)
        {
            set.Negate();
        }

        set.Freeze();
        return true;
    }

    private void ParseProperty(CharacterSet set, ref bool negate)
    {
        int close = AtEnd || source[position] != '{' ? -1 : source.IndexOf('}', position);
        if (close < 0)
        {
            throw Error("\\p without {name}");
        }

        string name = source[(position + 1)..close];
        if (name.StartsWith('^'))
        {
            negate = !negate;
            name = name[1..];
        }

        if (CharacterSet.CategoriesOf(name) is { } categories)
        {
            set.AddCategories(categories);
        }
        else if (CharacterSet.ScriptRanges(name) is { } ranges)
        {
            foreach ((int first, int last) in ranges)
            {
                set.AddRange(first, last);
            }
        }
        else
        {
            throw Error($"the property \\p{{{name}}} is not supported");
        }

        position = close + 1;
    }

    /// <summary>Escapes that stand for one character; the backslash has been taken.</summary>
    private int ParseCharacterEscape()
    {
        if (AtEnd)
        {
            throw Error("a backslash at the end");
        }

        char c = source[position];
        switch (c)
        {
            case 'n': return Take('\n');
            case 'r': return Take('\r');
            case 't': return Take('\t');
            case 'f': return Take('\f');
            case 'v': return Take('\v');
            case 'a': return Take('\a');
            case 'e': return Take(0x1B);
            case 'x' or 'u':
                position++;
                return ParseHexadecimal(c == 'u' ? 4 : 2);
            default:
                return char.IsAsciiLetterOrDigit(c) ? throw Error($"the escape \\{c} is not supported") : TakeCodePoint();
        }
    }

    private int ParseHexadecimal(int digits)
    {
        bool braces = TryTake('{');
        int close = braces ? source.IndexOf('}', position) : Math.Min(position + digits, source.Length);
        if (close < 0
            || !int.TryParse(source.AsSpan(position, close - position), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            || value is < 0 or > 0x10FFFF)
        {
            throw Error("a broken hexadecimal escape");
        }

        position = braces ? close + 1 : close;
        return value;
    }

    private readonly RegexNode.Set Literal(int codePoint)
    {
        CharacterSet set = new CharacterSet().AddRange(codePoint, codePoint);
        return new RegexNode.Set((ignoreCase ? set.AddCaseVariants() : set).Freeze());
    }

    private int Take(int codePoint)
    {
        position++;
        return codePoint;
    }

    private int TakeCodePoint()
    {
        int codePoint = CodePoint.At(source, position, out int length);
        position += length;
        return codePoint;
    }

    private bool TryTake(char c)
    {
        if (AtEnd || source[position] != c)
        {
            return false;
        }

        position++;
        return true;
    }
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>When a Metaspace component puts its character in front of a text.</summary>
internal enum PrependScheme
{
    Always,
    First,
    Never,
}

/// <summary>Writes spaces as a visible character (<c>▁</c>), may put one in front, and may split before each.</summary>
internal sealed class MetaspacePreTokenizer : PreTokenizer
{
    private readonly char replacement;
    private readonly PrependScheme scheme;
    private readonly bool split;
    private readonly LiteralPattern pattern;

    public MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split)
    {
        this.replacement = replacement;
        this.scheme = scheme;
        this.split = split;
        pattern = new LiteralPattern(replacement.ToString());
    }

    public static MetaspacePreTokenizer Read(ComponentFields fields) =>
        new(ReadReplacement(fields), ReadScheme(fields), fields.Boolean("split", fallback: true));

    public static char ReadReplacement(ComponentFields fields)
    {
        string value = fields.Character("replacement");
        return value.Length == 1 ? value[0] : throw TokenizerFormatException.Expected($"{fields.Path}.replacement", "a character of the basic plane", $"'{value}'");
    }

    public static PrependScheme ReadScheme(ComponentFields fields)
    {
        if (!fields.Has("prepend_scheme"))
        {
            return fields.Boolean("add_prefix_space", fallback: true) ? PrependScheme.Always : PrependScheme.Never;
        }

        string value = fields.String("prepend_scheme");
        return value switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw TokenizerFormatException.Expected($"{fields.Path}.prepend_scheme", "always, first or never", $"'{value}'"),
        };
    }

    public override void Apply(PreTokenizedText text)
    {
        text.Rewrite(Replace);
        if (split)
        {
            text.Split(pattern, SplitBehavior.MergedWithNext);
        }
    }

    private void Replace(PreTokenizedText.Piece piece, ReadOnlySpan<char> span, PieceWriter writer)
    {
        bool prepend = scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.StartsText);
        if (prepend && span[0] != ' ' && span[0] != replacement)
        {
            writer.Append(replacement, 0, 0);
        }

        for (int i = 0; i < span.Length; i++)
        {
            writer.Append(span[i] == ' ' ? replacement : span[i], i, i + 1);
        }
    }
}

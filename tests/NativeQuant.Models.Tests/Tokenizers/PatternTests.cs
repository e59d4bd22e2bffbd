using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class PatternTests
{
    private static readonly string[] Known = [.. PatternRegistry.Known];

    [TestCaseSource(nameof(Known))]
    public void A_hand_written_scanner_cuts_where_the_general_matcher_cuts(string pattern)
    {
        TextPattern scanner = PatternRegistry.Get(pattern);
        var general = new RegexPattern(pattern);
        Assert.That(scanner, Is.Not.TypeOf<RegexPattern>());
        var random = new Random(20261122);
        for (int i = 0; i < 3000; i++)
        {
            string text = SampleTokenizers.RandomText(random);
            Assert.That(Matches(scanner, text), Is.EqualTo(Matches(general, text)), text);
        }
    }

    [TestCase("a|ab", "ab", new[] { "a" }, TestName = "The first alternative that matches wins, not the longest")]
    [TestCase("(?:ab)+c?", "ababcab", new[] { "ababc", "ab" }, TestName = "A group repeats")]
    [TestCase("a{2,3}", "aaaaaaa", new[] { "aaa", "aaa" }, TestName = "A counted repetition takes as many as it may")]
    [TestCase("a+?b", "aab", new[] { "aab" }, TestName = "A lazy repetition grows until the rest matches")]
    [TestCase("a++a|b", "aab", new[] { "b" }, TestName = "A possessive repetition gives nothing back")]
    [TestCase("(?>a+)a|b", "aab", new[] { "b" }, TestName = "An atomic group gives nothing back")]
    [TestCase("(?i:straSSe|k)", "STRASSE\u212Ak\u017F", new[] { "STRASSE", "\u212A", "k" }, TestName = "Case is ignored, the Kelvin sign included")]
    [TestCase("(?i)x(?-i:y)", "XyXY", new[] { "Xy" }, TestName = "Case sensitivity can be switched inside a pattern")]
    [TestCase(@"x(?=\d)", "xx1", new[] { "x" }, TestName = "A lookahead looks and does not take")]
    [TestCase(@"\b\w+\b", "ab, cd\u0301e", new[] { "ab", "cd\u0301e" }, TestName = "Word boundaries know marks")]
    [TestCase(@"^a|a$", "ab\na ba", new[] { "a", "a", "a" }, TestName = "Line anchors see line breaks")]
    [TestCase(@"[^\s\p{L}]", "a\uD835\uDD18\uD83D\uDE00 ", new[] { "\uD83D\uDE00" }, TestName = "A negated class takes whole code points")]
    [TestCase(@"[\x{4e00}-\u9fff\-\]]+", "\u4E2D-]a", new[] { "\u4E2D-]" }, TestName = "Escapes work inside a class")]
    [TestCase(@"\p{Han}+|\P{Han}+", "ab\u4E2D\u6587", new[] { "ab", "\u4E2D\u6587" }, TestName = "A script can be named")]
    [TestCase(@"[[0-9]a-c]+", "1a2bz", new[] { "1a2b" }, TestName = "Classes nest")]
    public void A_pattern_matches_as_the_reference_syntax_says(string pattern, string text, string[] expected)
    {
        var regex = new RegexPattern(pattern);
        Assert.That(Matches(regex, text).Select(match => text[match.Start..match.End]), Is.EqualTo(expected));
    }

    [TestCase("(", "')'")]
    [TestCase("a)", "')'")]
    [TestCase("[a", "']'")]
    [TestCase("*a", "repeat")]
    [TestCase("(?<=a)b", "group")]
    [TestCase("(?<name>a)", "group")]
    [TestCase(@"\p{Klingon}", "Klingon")]
    [TestCase(@"\q", @"\q")]
    [TestCase(@"a\", "backslash")]
    [TestCase("(a*)*", "empty")]
    [TestCase("a{3,2}", "bounds")]
    [TestCase("[b-a]", "range")]
    [TestCase("[[:alpha:]]", "POSIX")]
    [TestCase("[a&&b]", "intersection")]
    [TestCase("(((((a{900}){900}){900}){900}){900})", "too long")]
    public void A_pattern_that_is_not_understood_is_refused_by_name(string pattern, string named)
    {
        Assert.That(() => new RegexPattern(pattern), Throws.TypeOf<FormatException>().With.Message.Contains(named));
    }

    [Test]
    public void A_pattern_nested_too_deep_is_refused()
    {
        string pattern = new string('(', 100_000) + "a" + new string(')', 100_000);
        Assert.That(() => new RegexPattern(pattern), Throws.TypeOf<FormatException>().With.Message.Contains("deeper"));
    }

    [Test]
    public void A_pattern_that_explodes_on_a_text_is_an_error_and_not_a_hang()
    {
        var regex = new RegexPattern("(?:a|a)+b");
        Assert.That(() => regex.TryFind(new string('a', 60), 0, out _, out _), Throws.InvalidOperationException.With.Message.Contains("too many steps"));
    }

    private static List<(int Start, int End)> Matches(TextPattern pattern, string text)
    {
        var matches = new List<(int, int)>();
        for (int position = 0; position < text.Length && pattern.TryFind(text, position, out int start, out int end); position = end)
        {
            matches.Add((start, end));
        }

        return matches;
    }
}

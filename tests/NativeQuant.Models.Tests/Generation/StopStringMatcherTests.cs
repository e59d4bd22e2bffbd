using NUnit.Framework;

namespace NativeQuant.Models.Tests;

[TestFixture]
public class StopStringMatcherTests
{
    private static readonly object[] Cases =
    [
        new object[] { "hello world", new[] { "END" }, "hello world", false },
        new object[] { "helloENDworld", new[] { "END" }, "hello", true },
        new object[] { "END", new[] { "END" }, "", true },
        new object[] { "aab", new[] { "aab" }, "", true },
        new object[] { "aaab", new[] { "aab" }, "a", true },
        new object[] { "abababc", new[] { "ababc" }, "ab", true },
        new object[] { "one EN two", new[] { "END" }, "one EN two", false },
        new object[] { "tail EN", new[] { "END" }, "tail EN", false },
        new object[] { "xabcd", new[] { "abcde", "cd" }, "xab", true },
        new object[] { "xabcde", new[] { "abcde", "de" }, "x", true },
        new object[] { "line\n\nnext", new[] { "\n\n" }, "line", true },
        new object[] { "\u00fcber \ud83d\ude00 stop", new[] { "\ud83d\ude00" }, "\u00fcber ", true },
    ];

    // The outcome must not depend on where the text is cut: every way to cut it into at most three pieces, and one by one.
    [TestCaseSource(nameof(Cases))]
    public void Text_up_to_the_stop_string_comes_out_however_it_is_cut(string text, string[] stops, string expected, bool matched)
    {
        for (int i = 0; i <= text.Length; i++)
        {
            for (int j = i; j <= text.Length; j++)
            {
                Check([text[..i], text[i..j], text[j..]]);
            }
        }
        Check([.. text.Select(c => c.ToString())]);

        void Check(string[] pieces)
        {
            var matcher = new StopStringMatcher(stops);
            string got = string.Concat(pieces.Select(matcher.Append)) + matcher.Flush();
            Assert.That(got, Is.EqualTo(expected), $"cut as {string.Join('|', pieces)}");
            Assert.That(matcher.Matched, Is.EqualTo(matched));
        }
    }

    [Test]
    public void Only_what_may_become_a_stop_string_is_held_back()
    {
        var matcher = new StopStringMatcher(["<end>"]);
        Assert.That(matcher.Append("text <e"), Is.EqualTo("text "));
        Assert.That(matcher.Append("n"), Is.Empty);
        Assert.That(matcher.Append("x"), Is.EqualTo("<enx"));
    }

    [Test]
    public void Text_after_a_match_is_swallowed()
    {
        var matcher = new StopStringMatcher(["stop"]);
        Assert.That(matcher.Append("a stop b"), Is.EqualTo("a "));
        Assert.That(matcher.Append("more") + matcher.Flush(), Is.Empty);
    }

    [Test]
    public void Without_stop_strings_text_passes_through_uncopied()
    {
        string text = "as it is";
        Assert.That(new StopStringMatcher([]).Append(text), Is.SameAs(text));
    }
}

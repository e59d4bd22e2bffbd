using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class NormalizerTests
{
    [TestCase("C", "e\u0301", "\u00E9", TestName = "NFC composes")]
    [TestCase("C", "a\u0323\u0307 a\u0307\u0323", "\u1EA1\u0307 \u1EA1\u0307", TestName = "NFC reorders marks before it composes")]
    [TestCase("C", "\u212B\u2126", "\u00C5\u03A9", TestName = "NFC replaces singletons")]
    [TestCase("C", "\u0958", "\u0915\u093C", TestName = "NFC does not compose what is excluded from composition")]
    [TestCase("C", "\u1100\u1161\u11A8\u1100\u1161\u11A7", "\uAC01\uAC00\u11A7", TestName = "NFC composes Hangul syllables")]
    [TestCase("C", "a\u0302\u0302", "\u00E2\u0302", TestName = "NFC leaves a mark that an equal one blocks")]
    [TestCase("C", "\uFB01", "\uFB01", TestName = "NFC keeps compatibility characters")]
    [TestCase("D", "\u1EC7\uAC01", "e\u0323\u0302\u1100\u1161\u11A8", TestName = "NFD takes apart fully")]
    [TestCase("KC", "\uFB01\u00B2\uFF21\u3392", "fi2AMHz", TestName = "NFKC replaces compatibility characters")]
    [TestCase("KC", "\uFF76\uFF9E", "\u30AC", TestName = "NFKC composes what it has replaced")]
    [TestCase("KD", "\uFDFA", "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064A\u0647 \u0648\u0633\u0644\u0645", TestName = "NFKD gives the longest decomposition there is")]
    [TestCase("C", "\uD834\uDD57\uD834\uDD65", "\uD834\uDD57\uD834\uDD65", TestName = "NFC works on astral code points")]
    [TestCase("D", "\uD834\uDD5F", "\uD834\uDD58\uD834\uDD65", TestName = "NFD takes astral code points apart")]
    public void A_normalization_form_is_right_under_invariant_globalization(string form, string text, string expected)
    {
        // string.Normalize is of no help here: under invariant globalization it returns its input.
        Assert.That(UnicodeNormalization.Normalize(text, Enum.Parse<UnicodeForm>(form)), Is.EqualTo(expected));
    }

    [Test]
    public void Normalizing_twice_changes_nothing([Values("C", "D", "KC", "KD")] string name)
    {
        UnicodeForm form = Enum.Parse<UnicodeForm>(name);
        var random = new Random(7);
        for (int i = 0; i < 3000; i++)
        {
            string once = UnicodeNormalization.Normalize(SampleTokenizers.RandomText(random), form);
            Assert.That(UnicodeNormalization.Normalize(once, form), Is.EqualTo(once));
        }
    }

    [Test]
    public void Composing_what_was_taken_apart_gives_the_composed_form()
    {
        var random = new Random(8);
        for (int i = 0; i < 3000; i++)
        {
            string text = SampleTokenizers.RandomText(random);
            string decomposed = UnicodeNormalization.Normalize(text, UnicodeForm.D);
            Assert.That(UnicodeNormalization.Normalize(decomposed, UnicodeForm.C), Is.EqualTo(UnicodeNormalization.Normalize(text, UnicodeForm.C)));
        }
    }

    [Test]
    public void Text_that_is_normalized_already_is_returned_as_it_is()
    {
        const string Text = "Plain text, \u4E2D\u6587, caf\u00E9 and \uAC00.";
        Assert.That(UnicodeNormalization.Normalize(Text, UnicodeForm.C), Is.SameAs(Text));
    }

    [TestCase("""{"type":"Prepend","prepend":"_"}""", "a b", "_a b")]
    [TestCase("""{"type":"Prepend","prepend":"_"}""", "", "")]
    [TestCase("""{"type":"Replace","pattern":{"String":" "},"content":"__"}""", "a b ", "a__b__")]
    [TestCase("""{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}""", "a   b c  ", "a b c ")]
    [TestCase("""{"type":"Lowercase"}""", "\u0130STANBUL \u03A3 \uD801\uDC00", "i\u0307stanbul \u03C3 \uD801\uDC28")]
    [TestCase("""{"type":"Strip","strip_left":true,"strip_right":false}""", "\u3000 a ", "a ")]
    [TestCase("""{"type":"Strip","strip_left":true,"strip_right":true}""", "\n a \t", "a")]
    [TestCase("""{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"}]}""", "\uFF21\uFB01", "afi")]
    public void A_normalizer_rewrites_the_text(string normalizer, string text, string expected)
    {
        HfTokenizer tokenizer = SampleTokenizers.Bpe(["a"], normalizer: normalizer);
        tokenizer.EncodeToTokens(text, out string? normalized);
        Assert.That(normalized ?? text, Is.EqualTo(expected));
    }
}

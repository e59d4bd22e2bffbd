using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class PreTokenizerTests
{
    [TestCase("Isolated", false, new[] { "a", "-", "-", "b", "-" })]
    [TestCase("Removed", false, new[] { "a", "b" })]
    [TestCase("MergedWithPrevious", false, new[] { "a-", "-", "b-" })]
    [TestCase("MergedWithNext", false, new[] { "a", "-", "-b", "-" })]
    [TestCase("Contiguous", false, new[] { "a", "--", "b", "-" })]
    [TestCase("Removed", true, new[] { "-", "-", "-" })]
    [TestCase("Isolated", true, new[] { "a", "-", "-", "b", "-" })]
    [TestCase("MergedWithPrevious", true, new[] { "a", "-", "-b", "-" })]
    public void Split_treats_its_matches_as_its_behavior_says(string behavior, bool invert, string[] expected)
    {
        string inverted = invert ? "true" : "false";
        Assert.That(
            Pieces($$"""{"type":"Split","pattern":{"String":"-"},"behavior":"{{behavior}}","invert":{{inverted}}}""", "a--b-"),
            Is.EqualTo(expected));
    }

    [TestCase("""{"type":"Digits","individual_digits":true}""", "ab12\u00BDc", new[] { "ab", "1", "2", "\u00BD", "c" })]
    [TestCase("""{"type":"Digits","individual_digits":false}""", "ab12\u00BDc", new[] { "ab", "12\u00BD", "c" })]
    [TestCase("""{"type":"Punctuation"}""", "a,b+\u2014c", new[] { "a", ",", "b", "+", "\u2014", "c" })]
    [TestCase("""{"type":"Whitespace"}""", "Hey  you,what?!", new[] { "Hey", "you", ",", "what", "?!" })]
    [TestCase("""{"type":"WhitespaceSplit"}""", " Hey you,\n", new[] { "Hey", "you," })]
    [TestCase("""{"type":"CharDelimiterSplit","delimiter":"x"}""", "axxb", new[] { "a", "b" })]
    [TestCase("""{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true}""", "a b  c", new[] { "\u2581a", "\u2581b", "\u2581", "\u2581c" })]
    [TestCase("""{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":false}""", "a b", new[] { "a\u2581b" })]
    [TestCase("""{"type":"Metaspace","replacement":"\u2581","add_prefix_space":false}""", "a b", new[] { "a", "\u2581b" })]
    [TestCase("""{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}""", "a \u00E9's", new[] { "a", "\u0120\u00C3\u00A9", "'s" })]
    [TestCase("""{"type":"ByteLevel","add_prefix_space":true,"use_regex":false}""", "a b", new[] { "\u0120a\u0120b" })]
    [TestCase("""{"type":"ByteLevel","add_prefix_space":true,"use_regex":false}""", " a", new[] { "\u0120a" })]
    public void A_pre_tokenizer_cuts_and_maps_the_text(string preTokenizer, string text, string[] expected) =>
        Assert.That(Pieces(preTokenizer, text), Is.EqualTo(expected));

    [Test]
    public void Metaspace_first_prepends_only_where_the_text_begins()
    {
        HfTokenizer tokenizer = SampleTokenizers.Bpe(
            ["a", "\u2581", "<s>"],
            preTokenizer: """{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":false}""",
            addedTokens: """[{"id":2,"content":"<s>","special":true,"normalized":false}]""");
        Assert.That(tokenizer.Spell("a<s>a"), Is.EqualTo(new[] { "\u2581", "a", "<s>", "a" }));
        Assert.That(tokenizer.Spell("<s>a"), Is.EqualTo(new[] { "<s>", "a" }));
    }

    [Test]
    public void Without_pre_tokenization_characters_are_mapped_but_nothing_is_split()
    {
        HfTokenizer tokenizer = SampleTokenizers.Bpe(
            ["a", "\u0120", "a\u0120"], ["a \u0120"], preTokenizer: """{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}""");
        Assert.That(tokenizer.EncodeToIds("a a"), Is.EqualTo(new[] { 0, 1, 0 }));
        Assert.That(tokenizer.EncodeToIds("a a", considerPreTokenization: false), Is.EqualTo(new[] { 2, 0 }));
    }

    private static string[] Pieces(string preTokenizer, string text)
    {
        using var document = System.Text.Json.JsonDocument.Parse(preTokenizer);
        PreTokenizer component = ComponentRegistry.PreTokenizer(new ComponentFields(document.RootElement, "$"));
        var words = new PreTokenizedText(text, startsText: true, keepWhole: false, trackOffsets: false);
        component.Apply(words);
        var pieces = new List<string>();
        foreach (PreTokenizedText.Piece piece in words.Pieces)
        {
            pieces.Add(words.Text.Slice(piece.Start, piece.Length).ToString());
        }

        return [.. pieces];
    }
}

using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class AddedTokenTests
{
    private static readonly string[] Letters = ["a", "b", " ", "_", "<", ">", "x"];

    [Test]
    public void The_longest_of_several_matches_wins()
    {
        HfTokenizer tokenizer = With("""{"id":7,"content":"<a"},{"id":8,"content":"<a>"}""");
        Assert.That(tokenizer.Spell("<a><ab"), Is.EqualTo(new[] { "<a>", "<a", "b" }));
    }

    [Test]
    public void Strip_flags_swallow_the_white_space_around()
    {
        HfTokenizer tokenizer = With("""{"id":7,"content":"<l>","lstrip":true},{"id":8,"content":"<r>","rstrip":true}""");
        Assert.That(tokenizer.Spell("a \u3000<l> b"), Is.EqualTo(new[] { "a", "<l>", " ", "b" }));
        Assert.That(tokenizer.Spell("a <r> \n b"), Is.EqualTo(new[] { "a", " ", "<r>", "b" }));
        Assert.That(tokenizer.Spell("<r> <l>"), Is.EqualTo(new[] { "<r>", "<l>" }));
    }

    [Test]
    public void A_single_word_token_needs_room_on_both_sides()
    {
        HfTokenizer tokenizer = With("""{"id":7,"content":"ab","single_word":true}""");
        Assert.That(tokenizer.Spell("ab"), Is.EqualTo(new[] { "ab" }));
        Assert.That(tokenizer.Spell("<ab>"), Is.EqualTo(new[] { "<", "ab", ">" }));
        Assert.That(tokenizer.Spell("xab"), Is.EqualTo(new[] { "x", "a", "b" }));
        Assert.That(tokenizer.Spell("ab_"), Is.EqualTo(new[] { "a", "b", "_" }));
    }

    [Test]
    public void A_normalized_token_is_found_in_the_normalized_text_only()
    {
        const string Lowercase = """{"type":"Lowercase"}""";
        HfTokenizer normalized = With("""{"id":7,"content":"AB","normalized":true}""", Lowercase);
        HfTokenizer raw = With("""{"id":7,"content":"AB","normalized":false}""", Lowercase);
        Assert.That(normalized.EncodeToIds("aB"), Is.EqualTo(new[] { 7 }));
        Assert.That(raw.EncodeToIds("aB"), Is.EqualTo(new[] { 0, 1 }));
        Assert.That(raw.EncodeToIds("AB"), Is.EqualTo(new[] { 7 }));
    }

    [Test]
    public void Special_tokens_can_be_left_out_of_decoded_text_and_others_cannot()
    {
        HfTokenizer tokenizer = With("""{"id":7,"content":"<s>","special":true},{"id":8,"content":"<t>","special":false}""", decoder: """{"type":"Fuse"}""");
        Assert.That(tokenizer.Decode([7, 0, 8]), Is.EqualTo("<s>a<t>"));
        Assert.That(tokenizer.Decode([7, 0, 8], skipSpecialTokens: true), Is.EqualTo("a<t>"));
        Assert.That(tokenizer.IsSpecialToken(7), Is.True);
        Assert.That(tokenizer.IsSpecialToken(8), Is.False);
    }

    [Test]
    public void Thousands_of_added_tokens_are_all_found()
    {
        IEnumerable<string> tokens = Enumerable.Range(0, 6000).Select(i => $$"""{"id":{{i + 7}},"content":"<t{{i}}>"}""");
        HfTokenizer tokenizer = With(string.Join(',', tokens));
        string text = string.Concat(Enumerable.Range(0, 6000).Select(i => $"<t{i}>"));
        Assert.That(tokenizer.EncodeToIds(text), Is.EqualTo(Enumerable.Range(7, 6000)));
    }

    private static HfTokenizer With(string tokens, string normalizer = "null", string decoder = "null") =>
        SampleTokenizers.Bpe(Letters, normalizer: normalizer, decoder: decoder, addedTokens: $"[{tokens}]");
}

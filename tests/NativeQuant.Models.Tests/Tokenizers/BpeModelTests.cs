using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class BpeModelTests
{
    private static readonly string[] Letters = ["a", "b", "c", "ab", "bc", "abc"];

    [Test]
    public void The_merge_of_the_lowest_rank_comes_first()
    {
        Assert.That(SampleTokenizers.Bpe(Letters, ["b c", "a b"]).Spell("abc"), Is.EqualTo(new[] { "a", "bc" }));
        Assert.That(SampleTokenizers.Bpe(Letters, ["a b", "b c"]).Spell("abc"), Is.EqualTo(new[] { "ab", "c" }));
        Assert.That(SampleTokenizers.Bpe(Letters, ["a b", "ab c"]).Spell("abc"), Is.EqualTo(new[] { "abc" }));
    }

    [Test]
    public void Among_equal_ranks_the_leftmost_pair_merges_first() =>
        Assert.That(SampleTokenizers.Bpe(["a", "aa"], ["a a"]).Spell("aaaaa"), Is.EqualTo(new[] { "aa", "aa", "a" }));

    [Test]
    public void Ignore_merges_takes_a_word_that_is_a_token_as_it_is()
    {
        Assert.That(SampleTokenizers.Bpe(Letters, ["b c"]).Spell("abc"), Is.EqualTo(new[] { "a", "bc" }));
        Assert.That(SampleTokenizers.Bpe(Letters, ["b c"], options: """{"ignore_merges":true}""").Spell("abc"), Is.EqualTo(new[] { "abc" }));
    }

    [Test]
    public void Merges_may_be_written_as_pairs()
    {
        string json = SampleTokenizers.BpeJson(Letters, ["a b"]).Replace("\"a b\"", "[\"a\",\"b\"]", StringComparison.Ordinal);
        Assert.That(SampleTokenizers.Parse(json).Spell("abc"), Is.EqualTo(new[] { "ab", "c" }));
    }

    [Test]
    public void An_unknown_character_is_dropped_replaced_or_fused()
    {
        Assert.That(SampleTokenizers.Bpe(["a"]).Spell("axxa"), Is.EqualTo(new[] { "a", "a" }));
        Assert.That(SampleTokenizers.Bpe(["a", "?"], options: """{"unk_token":"?"}""").Spell("axxa"), Is.EqualTo(new[] { "a", "?", "?", "a" }));
        Assert.That(SampleTokenizers.Bpe(["a", "?"], options: """{"unk_token":"?","fuse_unk":true}""").Spell("axxa"), Is.EqualTo(new[] { "a", "?", "a" }));
    }

    [Test]
    public void A_missing_unknown_token_is_an_error_when_it_is_needed()
    {
        HfTokenizer tokenizer = SampleTokenizers.Bpe(["a"], options: """{"unk_token":"<unk>"}""");
        Assert.That(tokenizer.Spell("a"), Is.EqualTo(new[] { "a" }));
        Assert.That(() => tokenizer.EncodeToIds("x"), Throws.InvalidOperationException.With.Message.Contains("<unk>"));
    }

    [Test]
    public void Byte_fallback_spells_a_character_in_bytes_where_all_of_them_are_tokens()
    {
        string[] tokens = ["a", "<0xC3>", "<0xA9>", "?"];
        HfTokenizer tokenizer = SampleTokenizers.Bpe(tokens, options: """{"byte_fallback":true,"unk_token":"?"}""");
        Assert.That(tokenizer.Spell("a\u00E9\u00E8"), Is.EqualTo(new[] { "a", "<0xC3>", "<0xA9>", "?" }));
    }

    [Test]
    public void A_prefix_of_continued_words_and_a_suffix_of_their_ends_are_spelled_out()
    {
        string[] tokens = ["a", "##b", "##b</w>", "a##b", "ab</w>"];
        HfTokenizer tokenizer = SampleTokenizers.Bpe(
            tokens, ["a ##b</w>"], options: """{"continuing_subword_prefix":"##","end_of_word_suffix":"</w>"}""");
        Assert.That(tokenizer.Spell("ab"), Is.EqualTo(new[] { "ab</w>" }));
        Assert.That(tokenizer.Spell("abb"), Is.EqualTo(new[] { "a", "##b", "##b</w>" }));
    }

    [Test]
    public void Long_words_merge_as_short_ones_do()
    {
        // The scan for short words and the heap for long ones must agree: a word of each kind, cut at a boundary no merge crosses.
        HfTokenizer tokenizer = SampleTokenizers.TinyLlama();
        var random = new Random(3);
        for (int i = 0; i < 200; i++)
        {
            string word = string.Concat(Enumerable.Range(0, 12).Select(_ => (char)random.Next('a', 'f')));
            int[] alone = [.. tokenizer.EncodeToIds(word, addSpecialTokens: false, considerPreTokenization: false)];
            string spaced = string.Concat(Enumerable.Repeat(word + "\u4E2D", 30));
            int[] repeated = [.. tokenizer.EncodeToIds(spaced, addSpecialTokens: false, considerPreTokenization: false)];
            Assert.That(repeated.Take(alone.Length), Is.EqualTo(alone), word);
            Assert.That(repeated.Length % 30, Is.Zero);
        }
    }
}

using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class DecoderTests
{
    private const string SentencePiece =
        """{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""";

    [TestCase("null", new[] { "a", "b" }, "a b")]
    [TestCase("""{"type":"Fuse"}""", new[] { "a", "b" }, "ab")]
    [TestCase("""{"type":"ByteLevel"}""", new[] { "\u0120a", "\u00C3", "\u00A9" }, " a\u00E9")]
    [TestCase("""{"type":"ByteLevel"}""", new[] { "a", "\u00C3" }, "a\uFFFD")]
    [TestCase("""{"type":"ByteLevel"}""", new[] { "\u00F0", "\u0141", "a" }, "\uFFFDa")]
    [TestCase("""{"type":"ByteLevel"}""", new[] { "\u00C3\u4E2D", "\u00A9" }, "\u00C3\u4E2D\uFFFD")]
    [TestCase(SentencePiece, new[] { "_a", "_b", "<0xC3>", "<0xA9>" }, "a b\u00E9")]
    [TestCase(SentencePiece, new[] { "<0xC3>", "<0xA9>", "<0xC3>", "a" }, "\uFFFD\uFFFD\uFFFDa")]
    [TestCase(SentencePiece, new[] { "__a" }, " a")]
    [TestCase(SentencePiece, new[] { "<0xG0>" }, "<0xG0>")]
    [TestCase("""{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}""", new[] { "_a_b", "_c" }, "ab c")]
    [TestCase("""{"type":"Metaspace","replacement":"_","prepend_scheme":"never"}""", new[] { "_a", "_c" }, " a c")]
    [TestCase("""{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"x","start":2,"stop":2}]}""", new[] { "xx", "xa", "x", "bx", "xx" }, "xaxbx")]
    [TestCase("""{"type":"Sequence","decoders":[{"type":"Strip","content":"x","start":1,"stop":1},{"type":"Fuse"}]}""", new[] { "xx", "xax", "x" }, "a")]
    public void A_decoder_turns_tokens_into_text_at_once_and_in_a_stream(string decoder, string[] tokens, string expected)
    {
        string[] distinct = [.. tokens.Distinct()];
        HfTokenizer tokenizer = SampleTokenizers.Bpe(distinct, decoder: decoder);
        int[] ids = [.. tokens.Select(token => Array.IndexOf(distinct, token))];
        Assert.That(tokenizer.Decode(ids), Is.EqualTo(expected));
        DecodeStream stream = tokenizer.CreateDecodeStream(skipSpecialTokens: false);
        Assert.That(string.Concat(ids.Select(stream.Append)) + stream.Flush(), Is.EqualTo(expected));
        Assert.That(string.Concat(ids.Select(stream.Append)) + stream.Flush(), Is.EqualTo(expected), "a flushed stream starts anew");
    }

    [Test]
    public void A_stream_holds_a_code_point_back_until_it_is_complete()
    {
        HfTokenizer tokenizer = SampleTokenizers.TinyLlama();
        IReadOnlyList<int> ids = tokenizer.EncodeToIds("a\uD83D\uDE00b", addSpecialTokens: false);
        DecodeStream stream = tokenizer.CreateDecodeStream();
        string[] parts = [.. ids.Select(stream.Append)];
        Assert.That(ids, Has.Count.EqualTo(6), "the emoji is four byte tokens here");
        Assert.That(parts, Is.EqualTo(new[] { "a", "", "", "", "\uD83D\uDE00", "b" }));
        Assert.That(stream.Flush(), Is.Empty);
    }

    [Test]
    public void A_stream_of_random_ids_equals_decoding_them_at_once([Values("tiny-llama", "tiny-flags")] string name)
    {
        HfTokenizer tokenizer = HfTokenizer.FromDirectory(SampleTokenizers.Folder(name));
        var random = new Random(11);
        for (int i = 0; i < 500; i++)
        {
            int[] ids = [.. Enumerable.Range(0, random.Next(40)).Select(_ => random.Next(i % 2 == 0 ? 260 : tokenizer.VocabularySize + 5))];
            DecodeStream stream = tokenizer.CreateDecodeStream(skipSpecialTokens: false);
            Assert.That(string.Concat(ids.Select(stream.Append)) + stream.Flush(), Is.EqualTo(tokenizer.Decode(ids)), string.Join(',', ids));
        }
    }
}

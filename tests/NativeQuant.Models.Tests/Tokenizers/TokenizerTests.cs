using System.Buffers;
using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class TokenizerTests
{
    private readonly HfTokenizer tokenizer = SampleTokenizers.TinyLlama();

    [Test]
    public void Byte_level_text_comes_back_as_it_was()
    {
        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            string text = SampleTokenizers.RandomText(random);
            Assert.That(tokenizer.Decode(tokenizer.EncodeToIds(text, addSpecialTokens: false)), Is.EqualTo(text));
        }
    }

    [Test]
    public void Half_a_surrogate_pair_is_encoded_as_the_replacement_character()
    {
        Assert.That(tokenizer.EncodeToIds("a\uD800b\uDC00\uDBFF"), Is.EqualTo(tokenizer.EncodeToIds("a\uFFFDb\uFFFD\uFFFD")));
        Assert.That(tokenizer.EncodeToIds("\uD83D\uDE00"), Is.Not.EqualTo(tokenizer.EncodeToIds("\uFFFD\uFFFD")));
    }

    [Test]
    public void Offsets_cover_the_text_and_repeat_where_a_code_point_has_several_tokens()
    {
        IReadOnlyList<EncodedToken> tokens = tokenizer.EncodeToTokens("Hello \uD83D\uDE00 world", out string? normalized);
        Assert.That(normalized, Is.Null);
        Assert.That(tokens[0], Is.EqualTo(new EncodedToken(2044, "<|begin_of_text|>", 0..0)));
        Assert.That(tokens[1].Offset.Start.Value, Is.Zero);
        Assert.That(tokens.Count(token => token.Offset.Equals(6..8)), Is.GreaterThan(1));
        Assert.That(tokens[^1].Offset.End.Value, Is.EqualTo(14));
        for (int i = 1; i < tokens.Count; i++)
        {
            Assert.That(tokens[i].Offset.Start.Value, Is.LessThanOrEqualTo(tokens[i - 1].Offset.End.Value), "no gap");
        }
    }

    [Test]
    public void Offsets_refer_to_the_normalized_text()
    {
        HfTokenizer flags = HfTokenizer.FromDirectory(SampleTokenizers.Folder("tiny-flags"));
        IReadOnlyList<EncodedToken> tokens = flags.EncodeToTokens("\uFB01t <s> ``a", out string? normalized, addSpecialTokens: false);
        Assert.That(normalized, Is.EqualTo("fit <s> \"a"));
        EncodedToken added = tokens.Single(token => token.Value == "<s>");
        Assert.That(normalized![added.Offset], Is.EqualTo(" <s> "));
        Assert.That(string.Concat(tokens.Select(token => normalized[token.Offset])), Is.EqualTo(normalized));
    }

    [TestCase("The quick brown \uD83D\uDE00\uD83D\uDE00 fox jumps")]
    [TestCase("\u4E2D\u6587 and caf\u00E9")]
    public void A_text_can_be_cut_by_token_count_from_both_ends(string text)
    {
        int total = tokenizer.CountTokens(text, addSpecialTokens: false);
        IReadOnlyList<int> all = tokenizer.EncodeToIds(text, addSpecialTokens: false);
        for (int max = 1; max <= total + 1; max++)
        {
            IReadOnlyList<int> ids = tokenizer.EncodeToIds(text, max, out string? normalized, out int consumed);
            Assert.That(normalized, Is.Null);
            Assert.That(ids, Has.Count.LessThanOrEqualTo(max));
            Assert.That(ids, Is.EqualTo(all.Take(ids.Count)));
            Assert.That(tokenizer.Decode(ids), Is.EqualTo(text[..consumed]));
            Assert.That(tokenizer.GetIndexByTokenCount(text, max, out _, out int count), Is.EqualTo(consumed));
            Assert.That(count, Is.EqualTo(ids.Count));

            int index = tokenizer.GetIndexByTokenCountFromEnd(text, max, out _, out int endCount);
            Assert.That(endCount, Is.LessThanOrEqualTo(max));
            Assert.That(tokenizer.Decode(all.Skip(total - endCount)), Is.EqualTo(text[index..]));
        }

        Assert.That(() => tokenizer.EncodeToIds(text, 0, out _, out _), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Ids_go_into_a_span_if_they_fit()
    {
        IReadOnlyList<int> ids = tokenizer.EncodeToIds("Hello world");
        var destination = new int[ids.Count];
        Assert.That(tokenizer.TryEncodeToIds("Hello world", destination, out int written), Is.True);
        Assert.That(destination[..written], Is.EqualTo(ids));
        Assert.That(tokenizer.TryEncodeToIds("Hello world", destination.AsSpan(1), out written), Is.False);
        Assert.That(written, Is.Zero);
    }

    [Test]
    public void Text_is_decoded_into_a_span_as_far_as_it_reaches()
    {
        const string Text = "Hello \uD83D\uDE00 world";
        IReadOnlyList<int> ids = tokenizer.EncodeToIds(Text, addSpecialTokens: false);
        for (int size = 0; size <= Text.Length; size++)
        {
            var first = new char[size];
            OperationStatus status = tokenizer.Decode(ids, first, out int consumed, out int written);
            Assert.That(status, Is.EqualTo(size == Text.Length ? OperationStatus.Done : OperationStatus.DestinationTooSmall));
            string rest = tokenizer.Decode(ids.Skip(consumed));
            Assert.That(new string(first, 0, written) + rest, Is.EqualTo(Text));
        }
    }

    [Test]
    public void The_vocabulary_can_be_looked_up_both_ways()
    {
        Assert.That(tokenizer.VocabularySize, Is.EqualTo(2048));
        Assert.That(tokenizer.TryGetTokenId("<|end_of_text|>", out int id), Is.True);
        Assert.That(id, Is.EqualTo(2045));
        Assert.That(tokenizer.IdToToken(2045), Is.EqualTo("<|end_of_text|>"));
        Assert.That(tokenizer.TryGetTokenId("\u0120the", out id), Is.True);
        Assert.That(tokenizer.IdToToken(id), Is.EqualTo("\u0120the"));
        Assert.That(tokenizer.TryGetTokenId("no such token", out _), Is.False);
        Assert.That(tokenizer.IdToToken(-1), Is.Null);
        Assert.That(tokenizer.IdToToken(2048), Is.Null);
        Assert.That(tokenizer.Decode([-1, 2048, int.MaxValue]), Is.Empty);
    }

    [Test]
    public void Special_ids_come_from_the_configuration_beside_the_file()
    {
        Assert.That((tokenizer.BosTokenId, tokenizer.EosTokenId, tokenizer.PadTokenId, tokenizer.UnknownTokenId), Is.EqualTo(((int?)null, (int?)null, (int?)null, (int?)null)));
        string folder = Path.Combine(TestContext.CurrentContext.WorkDirectory, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(folder);
        try
        {
            File.Copy(Path.Combine(SampleTokenizers.Folder("tiny-llama"), "tokenizer.json"), Path.Combine(folder, "tokenizer.json"));
            string config = Path.Combine(folder, "tokenizer_config.json");
            File.WriteAllText(config, """{"bos_token":"<|begin_of_text|>","eos_token":{"content":"<|end_of_text|>","lstrip":false},"pad_token":null,"unk_token":"<none>"}""");
            HfTokenizer configured = HfTokenizer.FromDirectory(folder);
            Assert.That((configured.BosTokenId, configured.EosTokenId, configured.PadTokenId, configured.UnknownTokenId), Is.EqualTo(((int?)2044, (int?)2045, (int?)null, (int?)null)));
            File.WriteAllText(config, """{"bos_token":5}""");
            Assert.That(() => HfTokenizer.FromDirectory(folder), Throws.TypeOf<TokenizerFormatException>().With.Message.Contains("bos_token"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Many_threads_may_share_a_tokenizer()
    {
        var random = new Random(2);
        string[] texts = [.. Enumerable.Range(0, 200).Select(_ => SampleTokenizers.RandomText(random, 60))];
        int[][] expected = [.. texts.Select(text => tokenizer.EncodeToIds(text).ToArray())];
        HfTokenizer shared = SampleTokenizers.TinyLlama();
        Parallel.For(0, 2000, i => Assert.That(shared.EncodeToIds(texts[i % texts.Length]), Is.EqualTo(expected[i % texts.Length])));
    }
}

using System.Text;
using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

[TestFixture]
public sealed class BrokenFileTests
{
    private static readonly string Good = SampleTokenizers.BpeJson(["a", "b", "ab"], ["a b"]);

    [TestCase("", "JSON")]
    [TestCase("[]", "expected an object")]
    [TestCase("{", "JSON")]
    [TestCase("{} x", "JSON")]
    [TestCase("{}", "'model' is missing")]
    [TestCase("""{"model":null}""", "$.model")]
    [TestCase("""{"model":{},"model":{}}""", "twice")]
    [TestCase("""{"model":{"type":"BPE"}}""", "'vocab' is missing")]
    [TestCase("""{"model":{"type":"BPE","vocab":{}}}""", "'merges' is missing")]
    [TestCase("""{"model":{"type":"BPE","vocab":[],"merges":[]}}""", "$.model.vocab")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}""", "id from 0")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":1.5},"merges":[]}}""", "1.5")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":2147483647},"merges":[]}}""", "2147483647")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":"0"},"merges":[]}}""", "'a'")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}}""", "both 'a' and 'b'")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}""", "given twice")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"\ud800":0},"merges":[]}}""", "surrogate")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":{}}}""", "an array")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["aa"]}}""", "$.model.merges[0]")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a a a"]}}""", "two tokens")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a a"]}}""", "'aa' is not in the vocabulary")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}""", "two strings")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","a","a"]]}}""", "two strings")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[7]}}""", "Number")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["\ud800 a"]}}""", "surrogate")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}}""", "dropout")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"byte_fallback":"yes"}}""", "true or false")]
    [TestCase("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":3}}""", "a string")]
    public void A_damaged_file_is_a_format_error_that_says_what_is_wrong(string json, string named)
    {
        Assert.That(() => SampleTokenizers.Parse(json), Throws.TypeOf<TokenizerFormatException>().With.Message.Contains(named));
    }

    [TestCase("normalizer", "[]")]
    [TestCase("normalizer", "{}")]
    [TestCase("normalizer", """{"type":7}""")]
    [TestCase("normalizer", """{"type":"Replace","content":"x"}""")]
    [TestCase("normalizer", """{"type":"Replace","pattern":{},"content":"x"}""")]
    [TestCase("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"},3]}""")]
    [TestCase("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"}""")]
    [TestCase("pre_tokenizer", """{"type":"Split","pattern":{"String":" "},"behavior":"Sideways"}""")]
    [TestCase("pre_tokenizer", """{"type":"Split","pattern":{"String":" "},"behavior":"1"}""")]
    [TestCase("pre_tokenizer", """{"type":"ByteLevel"}""")]
    [TestCase("pre_tokenizer", """{"type":"Metaspace","replacement":"ab"}""")]
    [TestCase("pre_tokenizer", """{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}""")]
    [TestCase("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{}}""")]
    [TestCase("post_processor", """{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}],"special_tokens":{}}""")]
    [TestCase("post_processor", """{"type":"RobertaProcessing","cls":["a"],"sep":["b",1]}""")]
    [TestCase("decoder", """{"type":"Strip","content":" ","start":-1,"stop":0}""")]
    [TestCase("added_tokens", "{}")]
    [TestCase("added_tokens", """[{"id":3}]""")]
    [TestCase("added_tokens", """[{"id":3,"content":""}]""")]
    [TestCase("added_tokens", """[{"id":3,"content":"a"}]""")]
    [TestCase("added_tokens", """[{"id":1,"content":"x"}]""")]
    [TestCase("added_tokens", """[{"id":3,"content":"x"},{"id":4,"content":"x"}]""")]
    [TestCase("added_tokens", """[{"id":3,"content":"x"},{"id":3,"content":"y"}]""")]
    [TestCase("added_tokens", """[{"id":99999999999,"content":"x"}]""")]
    public void A_damaged_component_is_a_format_error_at_its_place(string field, string value)
    {
        string json = Good.Replace($"\"{field}\":null", $"\"{field}\":{value}", StringComparison.Ordinal)
            .Replace($"\"{field}\":[]", $"\"{field}\":{value}", StringComparison.Ordinal);
        Assert.That(json, Is.Not.EqualTo(Good));
        Assert.That(() => SampleTokenizers.Parse(json), Throws.TypeOf<TokenizerFormatException>()
            .With.Property(nameof(TokenizerFormatException.JsonPath)).StartsWith($"$.{field}")
            .And.Property(nameof(TokenizerFormatException.UnsupportedComponent)).Null);
    }

    [TestCase("normalizer", "Precompiled")]
    [TestCase("pre_tokenizer", "UnicodeScripts")]
    [TestCase("post_processor", "MysteryProcessing")]
    [TestCase("decoder", "CTC")]
    public void A_component_that_is_not_supported_is_named(string field, string kind)
    {
        string json = Good.Replace($"\"{field}\":null", $$"""
            "{{field}}":{"type":"{{kind}}"}
            """, StringComparison.Ordinal);
        Assert.That(() => SampleTokenizers.Parse(json), Throws.TypeOf<TokenizerFormatException>()
            .With.Property(nameof(TokenizerFormatException.UnsupportedComponent)).EqualTo(kind).And.Message.Contains("supported: "));
    }

    [TestCase("Unigram")]
    [TestCase("WordPiece")]
    [TestCase("WordLevel")]
    public void A_model_that_is_not_supported_is_named(string kind) =>
        Assert.That(() => SampleTokenizers.Parse($$$"""{"model":{"type":"{{{kind}}}","vocab":[]}}"""),
            Throws.TypeOf<TokenizerFormatException>().With.Property(nameof(TokenizerFormatException.UnsupportedComponent)).EqualTo(kind));

    [Test]
    public void Endless_nesting_is_a_format_error_and_not_a_stack_overflow()
    {
        string deep = string.Concat(Enumerable.Repeat("""{"type":"Sequence","normalizers":[""", 100_000));
        Assert.That(() => SampleTokenizers.Parse($$"""{"normalizer":{{deep}}"""), Throws.TypeOf<TokenizerFormatException>());
    }

    [Test]
    public void Every_cut_and_many_flipped_bytes_of_a_good_file_load_or_are_format_errors()
    {
        byte[] good = Encoding.UTF8.GetBytes(Good);
        for (int length = 0; length < good.Length; length++)
        {
            byte[] cut = good[..length];
            Assert.That(() => HfTokenizer.FromStream(new MemoryStream(cut)), Throws.TypeOf<TokenizerFormatException>());
        }

        var random = new Random(5);
        for (int i = 0; i < 2000; i++)
        {
            byte[] flipped = [.. good];
            flipped[random.Next(flipped.Length)] = (byte)random.Next(256);
            try
            {
                HfTokenizer.FromStream(new MemoryStream(flipped)).EncodeToIds("abc");
            }
            catch (TokenizerFormatException exception)
            {
                Assert.That(exception.Message, Is.Not.Empty);
            }
        }
    }

    [Test]
    public void The_error_names_the_file_and_the_place()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{Guid.NewGuid():N}.json");
        File.WriteAllText(path, """{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}""");
        try
        {
            Assert.That(() => HfTokenizer.FromFile(path), Throws.TypeOf<TokenizerFormatException>()
                .With.Property(nameof(TokenizerFormatException.FilePath)).EqualTo(path)
                .And.Property(nameof(TokenizerFormatException.JsonPath)).EqualTo("$.model.merges[0]")
                .And.Message.Contains(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void Absent_files_and_folders_are_named()
    {
        string folder = Path.Combine(TestContext.CurrentContext.WorkDirectory, Guid.NewGuid().ToString("N"));
        Assert.That(() => HfTokenizer.FromDirectory(folder), Throws.TypeOf<DirectoryNotFoundException>().With.Message.Contains(folder));
        Assert.That(() => HfTokenizer.FromFile(Path.Combine(folder, "tokenizer.json")), Throws.TypeOf<FileNotFoundException>().With.Message.Contains(folder));
        Assert.That(() => HfTokenizer.FromFile(""), Throws.ArgumentException);
        Assert.That(() => HfTokenizer.FromStream(null!), Throws.ArgumentNullException);
    }
}

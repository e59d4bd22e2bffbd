using System.Text.Json;
using NativeQuant.Models.Tokenizers;
using NUnit.Framework;

namespace NativeQuant.Models.Tests.Tokenizers;

/// <summary>Every tokenizer folder of the test data: the ids and the text of the reference library, case by case.</summary>
[TestFixture]
[Category("Tokenizer")]
public sealed class TokenizerVectorTests
{
    private static IEnumerable<TestCaseData> Folders() => Directory.GetDirectories(TestData.TokenizersFolder).Order(StringComparer.Ordinal)
        .Select(folder => new TestCaseData(folder).SetArgDisplayNames(Path.GetFileName(folder)));

    [TestCaseSource(nameof(Folders))]
    public void Ids_and_decoded_text_are_those_of_the_reference(string folder)
    {
        HfTokenizer tokenizer = Load(folder);
        using JsonDocument vectors = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "vectors.json")));
        JsonElement cases = vectors.RootElement.GetProperty("cases");
        Assert.That(cases.GetArrayLength(), Is.GreaterThan(0), "vectors.json has no cases");
        Assert.Multiple(() =>
        {
            foreach (JsonElement item in cases.EnumerateArray())
            {
                Check(tokenizer, item);
            }
        });
    }

    [TestCaseSource(nameof(Folders))]
    public void A_decode_stream_says_in_pieces_what_decode_says_at_once(string folder)
    {
        HfTokenizer tokenizer = Load(folder);
        using JsonDocument vectors = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "vectors.json")));
        Assert.Multiple(() =>
        {
            foreach (JsonElement item in vectors.RootElement.GetProperty("cases").EnumerateArray())
            {
                int[] ids = Integers(item.GetProperty("ids"));
                DecodeStream stream = tokenizer.CreateDecodeStream(skipSpecialTokens: true);
                string[] parts = [.. ids.Select(stream.Append), stream.Flush()];
                Assert.That(string.Concat(parts), Is.EqualTo(Text(item, "decoded_skip_special")));
                Assert.That(parts.Where(part => part.Length > 0 && (char.IsLowSurrogate(part[0]) || char.IsHighSurrogate(part[^1]))), Is.Empty);
            }
        });
    }

    private static void Check(HfTokenizer tokenizer, JsonElement item)
    {
        string text = item.GetProperty("text").GetString()!;
        int[] ids = Integers(item.GetProperty("ids"));
        int[] plain = item.TryGetProperty("ids_no_special", out JsonElement own) ? Integers(own) : ids;
        string name = JsonSerializer.Serialize(text.Length <= 60 ? text : text[..60]);
        Assert.That(tokenizer.EncodeToIds(text), Is.EqualTo(ids), $"ids of {name}");
        Assert.That(tokenizer.EncodeToIds(text, addSpecialTokens: false), Is.EqualTo(plain), $"ids without special tokens of {name}");
        Assert.That(tokenizer.Decode(plain), Is.EqualTo(Text(item, "decoded")), $"decoded text of {name}");
        Assert.That(tokenizer.Decode(ids, skipSpecialTokens: true), Is.EqualTo(Text(item, "decoded_skip_special")), $"decoded text without special tokens of {name}");
        Assert.That(tokenizer.EncodeToTokens(text, out _).Select(token => token.Id), Is.EqualTo(ids), $"tokens of {name}");
    }

    private static HfTokenizer Load(string folder)
    {
        string file = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(file))
        {
            Assert.Ignore(File.Exists(Path.Combine(folder, "pointer.json"))
                ? $"{Path.GetFileName(folder)} holds a pointer.json only: its tokenizer.json has to be fetched into a folder named by NATIVEQUANT_TOKENIZERS"
                : $"{Path.GetFileName(folder)} holds no tokenizer.json");
        }

        if (!File.Exists(Path.Combine(folder, "vectors.json")))
        {
            Assert.Ignore($"{Path.GetFileName(folder)} holds no vectors.json");
        }

        try
        {
            return HfTokenizer.FromFile(file);
        }
        catch (TokenizerFormatException exception) when (exception.UnsupportedComponent is not null)
        {
            Assert.Ignore($"not supported: {exception.UnsupportedComponent} ({exception.Message})");
            throw;
        }
    }

    private static string Text(JsonElement item, string name) =>
        (item.TryGetProperty(name, out JsonElement value) ? value : item.GetProperty("text")).GetString()!;

    private static int[] Integers(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetInt32())];
}

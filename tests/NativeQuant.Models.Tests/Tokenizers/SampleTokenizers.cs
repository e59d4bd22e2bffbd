using System.Text;
using System.Text.Json.Nodes;
using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Models.Tests.Tokenizers;

/// <summary>Tokenizers made up for the tests: a handful of merges, and components as each test asks for them.</summary>
internal static class SampleTokenizers
{
    /// <summary>The project's own copy of a tokenizer folder, whatever the environment names.</summary>
    public static string Folder(string name) => Path.Combine(Repository.Root, "tests", "data", "tokenizers", name);

    public static HfTokenizer TinyLlama() => HfTokenizer.FromDirectory(Folder("tiny-llama"));

    public static HfTokenizer Parse(string json) => HfTokenizer.FromStream(new MemoryStream(Encoding.UTF8.GetBytes(json)));

    /// <summary>A BPE tokenizer of the given tokens (ids in their order) and merges; other parts of the file as JSON.</summary>
    public static HfTokenizer Bpe(
        string[] tokens, string[]? merges = null, string normalizer = "null", string preTokenizer = "null", string postProcessor = "null",
        string decoder = "null", string addedTokens = "[]", string options = "{}") =>
        Parse(BpeJson(tokens, merges, normalizer, preTokenizer, postProcessor, decoder, addedTokens, options));

    public static string BpeJson(
        string[] tokens, string[]? merges = null, string normalizer = "null", string preTokenizer = "null", string postProcessor = "null",
        string decoder = "null", string addedTokens = "[]", string options = "{}")
    {
        JsonObject model = JsonNode.Parse(options)!.AsObject();
        model["type"] = "BPE";
        model["vocab"] = new JsonObject(tokens.Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id)));
        model["merges"] = new JsonArray([.. (merges ?? []).Select(merge => (JsonNode)merge)]);
        return new JsonObject
        {
            ["added_tokens"] = JsonNode.Parse(addedTokens),
            ["normalizer"] = JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
            ["post_processor"] = JsonNode.Parse(postProcessor),
            ["decoder"] = JsonNode.Parse(decoder),
            ["model"] = model,
        }.ToJsonString();
    }

    /// <summary>The tokens of a text by their spelling.</summary>
    public static string[] Spell(this Tokenizer tokenizer, string text, bool addSpecialTokens = true) =>
        [.. tokenizer.EncodeToIds(text, addSpecialTokens).Select(id => tokenizer.IdToToken(id)!)];

    /// <summary>Text of all kinds: ASCII, marks, other scripts, astral letters and emoji, white space, controls.</summary>
    public static string RandomText(Random random, int maxLength = 24)
    {
        string[] bits = ["'s", "'LL", "'\u017F", "\u00E9", "e\u0301", "\uD835\uDD18", "\uD83D\uDE00", "\u200D", "\u4E2D\u6587", "\u0928\u093F",
            "\r\n", "\n", "\t", "  ", "\u00A0", "\u3000", "\u0085", "12345", "\u0663", "\u2167", "ABCdef", "Word", "!?", "/", "_", "\u0000", "\u01C5", "\u02B0"];
        var text = new StringBuilder();
        for (int count = random.Next(maxLength); count > 0; count--)
        {
            int codePoint = random.Next(0x10FFFF);
            text.Append(random.Next(4) switch
            {
                0 => new Rune(codePoint is >= 0xD800 and <= 0xDFFF ? 0x41 : codePoint).ToString(),
                1 => ((char)random.Next(32, 127)).ToString(),
                _ => bits[random.Next(bits.Length)],
            });
        }

        return text.ToString();
    }
}

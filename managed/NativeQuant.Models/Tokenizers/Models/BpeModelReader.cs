using System.Text.Json;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Reads a BPE model: vocabulary, merges (as <c>"a b"</c> or as <c>["a", "b"]</c>) and switches.</summary>
internal static class BpeModelReader
{
    public static BpeModel Read(ModelFields fields)
    {
        if (fields.Has("dropout") && fields.Describe("dropout") is not ("0" or "0.0"))
        {
            throw TokenizerFormatException.Expected($"{fields.Path}.dropout", "null (random segmentation is for training only)", fields.Describe("dropout"));
        }

        var options = new BpeOptions
        {
            UnknownToken = fields.StringOrNull("unk_token"),
            FuseUnknown = fields.Boolean("fuse_unk", fallback: false),
            ByteFallback = fields.Boolean("byte_fallback", fallback: false),
            IgnoreMerges = fields.Boolean("ignore_merges", fallback: false),
            ContinuingSubwordPrefix = fields.StringOrNull("continuing_subword_prefix") ?? "",
            EndOfWordSuffix = fields.StringOrNull("end_of_word_suffix") ?? "",
        };
        Vocabulary vocabulary = ReadVocabulary(fields);
        return new BpeModel(vocabulary, ReadMerges(fields, vocabulary, options.ContinuingSubwordPrefix.Length), options);
    }

    private static Vocabulary ReadVocabulary(ModelFields fields)
    {
        string path = $"{fields.Path}.vocab";
        Utf8JsonReader reader = fields.Open("vocab");
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw TokenizerFormatException.Expected(path, "an object of tokens and ids", reader.TokenType.ToString());
        }

        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string token = reader.GetText(path);
            reader.Read();
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out int id) || id is < 0 or > Vocabulary.MaxId)
            {
                throw TokenizerFormatException.Expected(
                    path, $"an id from 0 to {Vocabulary.MaxId} for the token '{token}'", System.Text.Encoding.UTF8.GetString(reader.ValueSpan));
            }

            if (!ids.TryAdd(token, id))
            {
                throw TokenizerFormatException.At(path, $"the token '{token}' is given twice");
            }
        }

        return Vocabulary.Create(ids, path);
    }

    private static MergeTable ReadMerges(ModelFields fields, Vocabulary vocabulary, int prefixLength)
    {
        string path = $"{fields.Path}.merges";
        Utf8JsonReader reader = fields.Open("merges");
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw TokenizerFormatException.Expected(path, "an array", reader.TokenType.ToString());
        }

        var table = new MergeTable();
        var buffer = new char[256];
        int index = 0, rank = 0;
        for (; reader.Read() && reader.TokenType != JsonTokenType.EndArray; index++)
        {
            if (!TryReadPair(ref reader, ref buffer, path, index, out int leftLength, out int length))
            {
                continue;
            }

            ReadOnlySpan<char> left = buffer.AsSpan(0, leftLength);
            ReadOnlySpan<char> right = buffer.AsSpan(leftLength, length - leftLength);
            int leftId = Require(vocabulary, left, path, index);
            int rightId = Require(vocabulary, right, path, index);
            if (right.Length < prefixLength)
            {
                throw TokenizerFormatException.At($"{path}[{index}]", $"'{right}' is shorter than the continuing_subword_prefix");
            }

            int mergedId = prefixLength == 0
                ? Require(vocabulary, buffer.AsSpan(0, length), path, index)
                : Require(vocabulary, string.Concat(left, right[prefixLength..]), path, index);
            table.Set(leftId, rightId, rank++, mergedId);
        }

        return table;
    }

    private static int Require(Vocabulary vocabulary, ReadOnlySpan<char> token, string path, int index) => vocabulary.TryGetId(token, out int id)
        ? id
        : throw TokenizerFormatException.At($"{path}[{index}]", $"the token '{token}' is not in the vocabulary");

    /// <summary>Leaves both parts, one after the other, in the buffer. False for the version line that old files begin with.</summary>
    private static bool TryReadPair(ref Utf8JsonReader reader, ref char[] buffer, string path, int index, out int leftLength, out int length)
    {
        (leftLength, length) = (0, 0);
        if (reader.TokenType == JsonTokenType.String)
        {
            length = Copy(ref reader, ref buffer, 0, path, index);
            Span<char> text = buffer.AsSpan(0, length);
            if (text.StartsWith("#version"))
            {
                return false;
            }

            leftLength = text.IndexOf(' ');
            if (leftLength < 0 || text.LastIndexOf(' ') != leftLength)
            {
                throw TokenizerFormatException.Expected($"{path}[{index}]", "two tokens with a space between", $"'{text}'");
            }

            text[(leftLength + 1)..].CopyTo(text[leftLength..]);
            length--;
            return true;
        }

        if (reader.TokenType == JsonTokenType.StartArray)
        {
            reader.Read();
            leftLength = Copy(ref reader, ref buffer, 0, path, index);
            reader.Read();
            length = leftLength + Copy(ref reader, ref buffer, leftLength, path, index);
            reader.Read();
            if (reader.TokenType == JsonTokenType.EndArray)
            {
                return true;
            }
        }

        throw TokenizerFormatException.Expected($"{path}[{index}]", "a string or an array of two strings", reader.TokenType.ToString());
    }

    private static int Copy(ref Utf8JsonReader reader, ref char[] buffer, int offset, string path, int index)
    {
        if (reader.TokenType != JsonTokenType.String)
        {
            throw TokenizerFormatException.Expected($"{path}[{index}]", "two strings", reader.TokenType.ToString());
        }

        if (offset + reader.ValueSpan.Length > buffer.Length)
        {
            Array.Resize(ref buffer, 2 * (offset + reader.ValueSpan.Length));
        }

        try
        {
            return reader.CopyString(buffer.AsSpan(offset));
        }
        catch (InvalidOperationException exception)
        {
            throw TokenizerFormatException.At($"{path}[{index}]", "the string holds invalid UTF-8 or half a surrogate pair", exception);
        }
    }
}

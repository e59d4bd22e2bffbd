using System.Buffers;
using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Byte pair encoding: a word's characters become tokens, and pairs are merged in the order of their ranks.</summary>
internal sealed class BpeModel : TokenModel
{
    private const int DirectCharacters = 0x400;
    private readonly MergeTable merges;
    private readonly BpeOptions options;
    private readonly WordCache cache = new();
    private readonly int[] characterIds = new int[DirectCharacters];
    private readonly int[]? byteIds;
    private readonly int unknownId = -1;

    public BpeModel(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
        : base(vocabulary)
    {
        this.merges = merges;
        this.options = options;
        for (int c = 0; c < DirectCharacters; c++)
        {
            characterIds[c] = vocabulary.TryGetId([(char)c], out int id) ? id : -1;
        }

        if (options.ByteFallback)
        {
            byteIds = [.. Enumerable.Range(0, 256).Select(value => vocabulary.TryGetId($"<0x{value:X2}>", out int id) ? id : -1)];
        }

        if (options.UnknownToken is not null && vocabulary.TryGetId(options.UnknownToken, out int unknown))
        {
            unknownId = unknown;
        }
    }

    public override EncodedWord Encode(ReadOnlySpan<char> word)
    {
        if (!WordCache.Accepts(word))
        {
            return EncodeUncached(word);
        }

        EncodedWord? tokens = cache.Find(word, out int slot);
        if (tokens is null)
        {
            tokens = EncodeUncached(word);
            cache.Store(word, slot, tokens);
        }

        return tokens;
    }

    private EncodedWord EncodeUncached(ReadOnlySpan<char> word)
    {
        if (options.IgnoreMerges && Vocabulary.TryGetId(word, out int whole))
        {
            return EncodedWord.Single(whole, word.Length);
        }

        // A UTF-16 char gives at most three symbols: the bytes of one of the basic plane are three, of a surrogate pair four.
        int capacity = byteIds is null ? word.Length : checked(word.Length * 3);
        int[] rented = ArrayPool<int>.Shared.Rent(Math.Max(1, checked(capacity * 3)));
        var symbols = new SymbolList(rented, capacity);
        AddCharacters(word, ref symbols);
        BpeMerger.Merge(ref symbols, merges);
        var result = new EncodedWord([.. symbols.Ids], [.. symbols.Starts], [.. symbols.Ends]);
        ArrayPool<int>.Shared.Return(rented);
        return result;
    }

    private void AddCharacters(ReadOnlySpan<char> word, ref SymbolList symbols)
    {
        (int Start, int End)? unknown = null;
        for (int start = 0, length; start < word.Length; start += length)
        {
            int codePoint = CodePoint.At(word, start, out length);
            int end = start + length;
            int id = CharacterId(word, start, end);
            if (id >= 0)
            {
                FlushUnknown(ref unknown, ref symbols);
                symbols.Add(id, start, end);
            }
            else if (!TryAddBytes(codePoint, start, end, ref symbols) && options.UnknownToken is not null)
            {
                if (unknown is { } open && options.FuseUnknown)
                {
                    unknown = (open.Start, end);
                }
                else
                {
                    FlushUnknown(ref unknown, ref symbols);
                    unknown = (start, end);
                }
            }
        }

        FlushUnknown(ref unknown, ref symbols);
    }

    private int CharacterId(ReadOnlySpan<char> word, int start, int end)
    {
        if (options.ContinuingSubwordPrefix.Length > 0 || options.EndOfWordSuffix.Length > 0)
        {
            string spelled = string.Concat(
                start > 0 ? options.ContinuingSubwordPrefix : "", word[start..end], end == word.Length ? options.EndOfWordSuffix : "");
            return Vocabulary.TryGetId(spelled, out int spelledId) ? spelledId : -1;
        }

        return word[start] < DirectCharacters ? characterIds[word[start]]
            : Vocabulary.TryGetId(word[start..end], out int id) ? id : -1;
    }

    private bool TryAddBytes(int codePoint, int start, int end, ref SymbolList symbols)
    {
        if (byteIds is null)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[4];
        bytes = bytes[..new Rune(codePoint).EncodeToUtf8(bytes)];
        foreach (byte value in bytes)
        {
            if (byteIds[value] < 0)
            {
                return false;
            }
        }

        foreach (byte value in bytes)
        {
            symbols.Add(byteIds[value], start, end);
        }

        return true;
    }

    private void FlushUnknown(ref (int Start, int End)? unknown, ref SymbolList symbols)
    {
        if (unknown is not { } range)
        {
            return;
        }

        if (unknownId < 0)
        {
            throw new InvalidOperationException(
                $"The text needs the tokenizer's unknown token '{options.UnknownToken}', which is not in the model's vocabulary.");
        }

        symbols.Add(unknownId, range.Start, range.End);
        unknown = null;
    }
}

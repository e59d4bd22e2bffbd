using System.Buffers;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Turns text into token ids and back.</summary>
/// <remarks>
/// <para>The members have the shape of <c>Microsoft.ML.Tokenizers.Tokenizer</c>, so that code moves over, and an adapter is a class of one-line
/// methods. That package itself is not used: it is on no package feed this project is built from. What is ours alone:
/// <c>addSpecialTokens</c>, encoding into a caller's span, and <see cref="CreateDecodeStream"/>.</para>
/// <para>A text with unpaired surrogates is encoded as if each were U+FFFD. Indexes and ranges count UTF-16 chars.</para>
/// <para>Tokenizers are immutable: every member may be called from many threads at once.</para>
/// </remarks>
public abstract class Tokenizer
{
    /// <summary>The number of distinct tokens, added ones included. Ids can have gaps, so the highest id may be larger than this.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The id that begins a text (<c>bos_token</c> of tokenizer_config.json); null where none is known.</summary>
    public abstract int? BosTokenId { get; }

    /// <summary>The id that ends a text (<c>eos_token</c>); null where none is known.</summary>
    public abstract int? EosTokenId { get; }

    /// <summary>The id that fills batches up (<c>pad_token</c>); null where none is known.</summary>
    public abstract int? PadTokenId { get; }

    /// <summary>The id for what the vocabulary lacks (<c>unk_token</c>); null where none is known.</summary>
    public abstract int? UnknownTokenId { get; }

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text; empty gives the special tokens alone, or nothing.</param>
    /// <param name="addSpecialTokens">Whether to add the special tokens that the tokenizer's post-processor asks for, for instance a BOS. Special tokens spelled out in the text are recognized either way.</param>
    /// <param name="considerPreTokenization">Whether to split the text into words first. Without, ids differ from what models were trained on.</param>
    /// <param name="considerNormalization">Whether to normalize the text first.</param>
    /// <returns>The ids.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="InvalidOperationException">The text needs the unknown token and the vocabulary lacks it, or a pattern of the tokenizer takes far too many steps on it.</exception>
    public IReadOnlyList<int> EncodeToIds(string text, bool addSpecialTokens = true, bool considerPreTokenization = true, bool considerNormalization = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return EncodeIds(text, new EncodeSettings(addSpecialTokens, considerPreTokenization, considerNormalization));
    }

    /// <inheritdoc cref="EncodeToIds(string, bool, bool, bool)"/>
    public IReadOnlyList<int> EncodeToIds(ReadOnlySpan<char> text, bool addSpecialTokens = true, bool considerPreTokenization = true, bool considerNormalization = true) =>
        EncodeIds(text.ToString(), new EncodeSettings(addSpecialTokens, considerPreTokenization, considerNormalization));

    /// <summary>Encodes as much of a text as fits into so many tokens; no special tokens are added, and no code point is cut.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxTokenCount">The most tokens to return, ≥ 1.</param>
    /// <param name="normalizedText">The text after normalization; null where it is the text itself.</param>
    /// <param name="charsConsumed">How many chars of the normalized text the returned tokens stand for.</param>
    /// <param name="considerPreTokenization">Whether to split the text into words first.</param>
    /// <param name="considerNormalization">Whether to normalize the text first.</param>
    /// <returns>The ids, at most <paramref name="maxTokenCount"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxTokenCount"/> is less than 1.</exception>
    public IReadOnlyList<int> EncodeToIds(
        string text, int maxTokenCount, out string? normalizedText, out int charsConsumed, bool considerPreTokenization = true, bool considerNormalization = true)
    {
        charsConsumed = GetIndexByTokenCount(
            text, maxTokenCount, out normalizedText, out List<EncodedToken> tokens, considerPreTokenization, considerNormalization);
        return [.. tokens.Select(token => token.Id)];
    }

    /// <summary>Encodes a text into a caller's span.</summary>
    /// <param name="text">The text.</param>
    /// <param name="destination">Takes the ids.</param>
    /// <param name="written">How many ids were written; 0 where they do not fit.</param>
    /// <param name="addSpecialTokens">Whether to add the special tokens that the tokenizer's post-processor asks for.</param>
    /// <returns>Whether all ids fitted.</returns>
    public bool TryEncodeToIds(ReadOnlySpan<char> text, Span<int> destination, out int written, bool addSpecialTokens = true)
    {
        List<int> ids = EncodeIds(text.ToString(), new EncodeSettings(addSpecialTokens, true, true));
        bool fits = ids.Count <= destination.Length;
        written = fits ? ids.Count : 0;
        if (fits)
        {
            ids.CopyTo(destination);
        }

        return fits;
    }

    /// <summary>Encodes a text to tokens with their spelling and place.</summary>
    /// <param name="text">The text.</param>
    /// <param name="normalizedText">The text after normalization, which the offsets refer to; null where it is the text itself.</param>
    /// <param name="addSpecialTokens">Whether to add the special tokens that the tokenizer's post-processor asks for.</param>
    /// <param name="considerPreTokenization">Whether to split the text into words first.</param>
    /// <param name="considerNormalization">Whether to normalize the text first.</param>
    /// <returns>The tokens.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    public IReadOnlyList<EncodedToken> EncodeToTokens(
        string text, out string? normalizedText, bool addSpecialTokens = true, bool considerPreTokenization = true, bool considerNormalization = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return EncodeTokens(text, new EncodeSettings(addSpecialTokens, considerPreTokenization, considerNormalization), out normalizedText);
    }

    /// <summary>Counts the tokens that <see cref="EncodeToIds(string, bool, bool, bool)"/> would return.</summary>
    /// <inheritdoc cref="EncodeToIds(string, bool, bool, bool)"/>
    /// <returns>The number of tokens.</returns>
    public int CountTokens(string text, bool addSpecialTokens = true, bool considerPreTokenization = true, bool considerNormalization = true) =>
        EncodeToIds(text, addSpecialTokens, considerPreTokenization, considerNormalization).Count;

    /// <inheritdoc cref="CountTokens(string, bool, bool, bool)"/>
    public int CountTokens(ReadOnlySpan<char> text, bool addSpecialTokens = true, bool considerPreTokenization = true, bool considerNormalization = true) =>
        EncodeToIds(text, addSpecialTokens, considerPreTokenization, considerNormalization).Count;

    /// <summary>Finds how far into a text so many tokens reach, counted from its start. Special tokens are not added, and no code point is cut.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxTokenCount">The most tokens, ≥ 1.</param>
    /// <param name="normalizedText">The text after normalization; null where it is the text itself.</param>
    /// <param name="tokenCount">The number of tokens before the index.</param>
    /// <param name="considerPreTokenization">Whether to split the text into words first.</param>
    /// <param name="considerNormalization">Whether to normalize the text first.</param>
    /// <returns>The index in the normalized text; its length where everything fits.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxTokenCount"/> is less than 1.</exception>
    public int GetIndexByTokenCount(
        string text, int maxTokenCount, out string? normalizedText, out int tokenCount, bool considerPreTokenization = true, bool considerNormalization = true)
    {
        int index = GetIndexByTokenCount(
            text, maxTokenCount, out normalizedText, out List<EncodedToken> tokens, considerPreTokenization, considerNormalization);
        tokenCount = tokens.Count;
        return index;
    }

    /// <summary>Finds where the last so many tokens of a text begin. Special tokens are not added, and no code point is cut.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxTokenCount">The most tokens, ≥ 1.</param>
    /// <param name="normalizedText">The text after normalization; null where it is the text itself.</param>
    /// <param name="tokenCount">The number of tokens from the index on.</param>
    /// <param name="considerPreTokenization">Whether to split the text into words first.</param>
    /// <param name="considerNormalization">Whether to normalize the text first.</param>
    /// <returns>The index in the normalized text; 0 where everything fits.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxTokenCount"/> is less than 1.</exception>
    public int GetIndexByTokenCountFromEnd(
        string text, int maxTokenCount, out string? normalizedText, out int tokenCount, bool considerPreTokenization = true, bool considerNormalization = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokenCount, 1);
        List<EncodedToken> tokens = EncodeTokens(text, new EncodeSettings(false, considerPreTokenization, considerNormalization), out normalizedText);
        int first = Math.Max(0, tokens.Count - maxTokenCount);
        while (first > 0 && first < tokens.Count && tokens[first].Offset.Start.Value < tokens[first - 1].Offset.End.Value)
        {
            first++;
        }

        tokenCount = tokens.Count - first;
        return first == 0 ? 0 : first == tokens.Count ? (normalizedText ?? text).Length : tokens[first].Offset.Start.Value;
    }

    /// <summary>Decodes ids to text. An id that stands for no token gives nothing, as the padding rows of a model's vocabulary do.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="skipSpecialTokens">Whether to leave special tokens out.</param>
    /// <returns>The text. Bytes that are no valid UTF-8 become U+FFFD.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="ids"/> is null.</exception>
    public abstract string Decode(IEnumerable<int> ids, bool skipSpecialTokens = false);

    /// <summary>Decodes ids into a caller's span, as far as it reaches.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="destination">Takes the text.</param>
    /// <param name="idsConsumed">The ids whose text is in the span; decoding can go on after them.</param>
    /// <param name="charsWritten">The chars written.</param>
    /// <param name="skipSpecialTokens">Whether to leave special tokens out.</param>
    /// <returns><see cref="OperationStatus.Done"/>, or <see cref="OperationStatus.DestinationTooSmall"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="ids"/> is null.</exception>
    public OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten, bool skipSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        (idsConsumed, charsWritten) = (0, 0);
        DecodeStream stream = CreateDecodeStream(skipSpecialTokens);
        int seen = 0;
        foreach (int id in ids)
        {
            seen++;
            string text = stream.Append(id);
            if (!text.TryCopyTo(destination[charsWritten..]))
            {
                return OperationStatus.DestinationTooSmall;
            }

            charsWritten += text.Length;
            idsConsumed = text.Length > 0 ? seen : idsConsumed;
        }

        string rest = stream.Flush();
        if (!rest.TryCopyTo(destination[charsWritten..]))
        {
            return OperationStatus.DestinationTooSmall;
        }

        charsWritten += rest.Length;
        idsConsumed = seen;
        return OperationStatus.Done;
    }

    /// <summary>Starts decoding ids one at a time, as a model generates them.</summary>
    /// <param name="skipSpecialTokens">Whether to leave special tokens out.</param>
    /// <returns>The stream, for one thread at a time.</returns>
    public abstract DecodeStream CreateDecodeStream(bool skipSpecialTokens = true);

    /// <summary>Looks a token up by its spelling in the vocabulary.</summary>
    /// <param name="token">The spelling, for instance <c>&lt;|im_end|&gt;</c> or <c>Ġthe</c>.</param>
    /// <param name="id">Its id; 0 where there is none.</param>
    /// <returns>Whether there is such a token.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="token"/> is null.</exception>
    public abstract bool TryGetTokenId(string token, out int id);

    /// <summary>The spelling of a token in the vocabulary.</summary>
    /// <param name="id">The id.</param>
    /// <returns>The spelling; null where the id stands for no token.</returns>
    public abstract string? IdToToken(int id);

    /// <summary>Whether an id is a special token, one that <c>skipSpecialTokens</c> leaves out.</summary>
    /// <param name="id">The id.</param>
    public abstract bool IsSpecialToken(int id);

    /// <summary>Encodes to ids.</summary>
    /// <param name="text">The text, not null.</param>
    /// <param name="settings">How.</param>
    protected abstract List<int> EncodeIds(string text, in EncodeSettings settings);

    /// <summary>Encodes to tokens.</summary>
    /// <param name="text">The text, not null.</param>
    /// <param name="settings">How. The whole text has to be normalized, however few tokens are asked for.</param>
    /// <param name="normalizedText">The text after normalization; null where it is the text itself.</param>
    protected abstract List<EncodedToken> EncodeTokens(string text, in EncodeSettings settings, out string? normalizedText);

    private int GetIndexByTokenCount(
        string text, int maxTokenCount, out string? normalizedText, out List<EncodedToken> tokens, bool considerPreTokenization, bool considerNormalization)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokenCount, 1);
        tokens = EncodeTokens(text, new EncodeSettings(false, considerPreTokenization, considerNormalization, maxTokenCount), out normalizedText);
        if (tokens.Count <= maxTokenCount)
        {
            return (normalizedText ?? text).Length;
        }

        int count = maxTokenCount;
        while (count > 0 && tokens[count].Offset.Start.Value < tokens[count - 1].Offset.End.Value)
        {
            count--;
        }

        int index = tokens[count].Offset.Start.Value;
        tokens.RemoveRange(count, tokens.Count - count);
        return index;
    }
}

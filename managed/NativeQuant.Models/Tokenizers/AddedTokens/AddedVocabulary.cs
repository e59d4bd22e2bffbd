namespace NativeQuant.Models.Tokenizers;

/// <summary>The added tokens of a tokenizer: by text, by id, and as two splitters for the text before and after normalization.</summary>
/// <remarks>
/// Ids are those of the file. The reference library gives ids out anew, in the order of the file, which comes to the same for every file it
/// has written; a hand-made file that leaves gaps between the ids of added tokens is the one case where the two differ.
/// </remarks>
internal sealed class AddedVocabulary
{
    private readonly Dictionary<string, AddedToken> byContent = new(StringComparer.Ordinal);
    private readonly Dictionary<string, AddedToken>.AlternateLookup<ReadOnlySpan<char>> bySpan;
    private readonly Dictionary<int, AddedToken> byId = [];

    /// <exception cref="TokenizerFormatException">A token contradicts the vocabulary, another token, or its own id.</exception>
    public AddedVocabulary(IReadOnlyList<AddedToken> tokens, Vocabulary vocabulary, Normalizer? normalizer, string path)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            Add(tokens[i], vocabulary, $"{path}[{i}]");
        }

        bySpan = byContent.GetAlternateLookup<ReadOnlySpan<char>>();
        // Where two spellings become the same by normalization, the special token wins.
        AddedToken[] ordered = [.. byContent.Values.OrderBy(token => !token.Special)];
        AddedToken[] raw = [.. ordered.Where(token => !token.Normalized)];
        AddedToken[] normalized = [.. ordered.Where(token => token.Normalized)];
        Raw = raw.Length == 0 ? null : new AddedTokenSplitter(raw, [.. raw.Select(token => token.Content)]);
        Normalized = normalized.Length == 0 ? null
            : new AddedTokenSplitter(normalized, [.. normalized.Select(token => normalizer?.Normalize(token.Content) ?? token.Content)]);
    }

    /// <summary>Finds the tokens that are looked for in the text as given; null where there are none.</summary>
    public AddedTokenSplitter? Raw { get; }

    /// <summary>Finds the tokens that are looked for in normalized text; null where there are none.</summary>
    public AddedTokenSplitter? Normalized { get; }

    public IReadOnlyCollection<AddedToken> Tokens => byId.Values;

    public bool TryGet(ReadOnlySpan<char> content, out AddedToken? token) => bySpan.TryGetValue(content, out token);

    public bool TryGet(int id, out AddedToken? token) => byId.TryGetValue(id, out token);

    private void Add(AddedToken token, Vocabulary vocabulary, string path)
    {
        if (token.Content.Length == 0)
        {
            throw TokenizerFormatException.Expected($"{path}.content", "a text", "an empty one");
        }

        bool known = vocabulary.TryGetId(token.Content, out int modelId);
        if (known && modelId != token.Id)
        {
            throw TokenizerFormatException.Expected($"{path}.id", $"{modelId}, the vocabulary's id of '{token.Content}'", $"{token.Id}");
        }

        if (!known && vocabulary.TokenOf(token.Id) is { } other)
        {
            throw TokenizerFormatException.Expected($"{path}.id", $"an id of its own for '{token.Content}'", $"{token.Id}, which is '{other}'");
        }

        if (!byContent.TryAdd(token.Content, token))
        {
            throw TokenizerFormatException.At(path, $"the token '{token.Content}' is given twice");
        }

        if (!byId.TryAdd(token.Id, token))
        {
            throw TokenizerFormatException.At($"{path}.id", $"the id {token.Id} is given to both '{byId[token.Id].Content}' and '{token.Content}'");
        }
    }
}

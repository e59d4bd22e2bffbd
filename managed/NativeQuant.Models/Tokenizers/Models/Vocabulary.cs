namespace NativeQuant.Models.Tokenizers;

/// <summary>The model's own tokens, by text and by id. Ids may have gaps.</summary>
internal sealed class Vocabulary
{
    /// <summary>Far above any vocabulary known; a file with a larger id is damaged, and must not make us allocate for it.</summary>
    public const int MaxId = (1 << 24) - 1;

    private readonly Dictionary<string, int> ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> idsBySpan;
    private readonly string?[] tokens;

    private Vocabulary(Dictionary<string, int> ids, string?[] tokens)
    {
        this.ids = ids;
        this.tokens = tokens;
        idsBySpan = ids.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>The number of tokens.</summary>
    public int Count => ids.Count;

    /// <summary>Builds the vocabulary from token texts, which are distinct, and their ids.</summary>
    /// <exception cref="TokenizerFormatException">Two tokens have the same id.</exception>
    public static Vocabulary Create(Dictionary<string, int> ids, string path)
    {
        var tokens = new string?[ids.Count == 0 ? 0 : ids.Values.Max() + 1];
        foreach ((string token, int id) in ids)
        {
            if (tokens[id] is { } other)
            {
                throw TokenizerFormatException.At(path, $"the id {id} is given to both '{other}' and '{token}'");
            }

            tokens[id] = token;
        }

        return new Vocabulary(ids, tokens);
    }

    public bool TryGetId(ReadOnlySpan<char> token, out int id) => idsBySpan.TryGetValue(token, out id);

    public string? TokenOf(int id) => (uint)id < (uint)tokens.Length ? tokens[id] : null;
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>Remembers the tokens of words seen lately.</summary>
/// <remarks>
/// Direct-mapped: a word has one slot and evicts what is there, so the cache is bounded, needs no locks and follows the text.
/// Entries are immutable and published with release semantics, so that threads may share it.
/// </remarks>
internal sealed class WordCache
{
    private const int Slots = 1 << 15;
    private const int MaxWordLength = 128;
    private readonly Entry?[] entries = new Entry?[Slots];

    private sealed record Entry(string Word, EncodedWord Tokens);

    public static bool Accepts(ReadOnlySpan<char> word) => word.Length <= MaxWordLength;

    public EncodedWord? Find(ReadOnlySpan<char> word, out int slot)
    {
        slot = string.GetHashCode(word) & (Slots - 1);
        return Volatile.Read(ref entries[slot]) is { } entry && word.SequenceEqual(entry.Word) ? entry.Tokens : null;
    }

    public void Store(ReadOnlySpan<char> word, int slot, EncodedWord tokens) => Volatile.Write(ref entries[slot], new Entry(word.ToString(), tokens));
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>The tokens of one word, and the range of the word's chars behind each. Shared through the cache: never written to.</summary>
internal sealed record EncodedWord(int[] Ids, int[] Starts, int[] Ends)
{
    public static EncodedWord Single(int id, int length) => new([id], [0], [length]);
}

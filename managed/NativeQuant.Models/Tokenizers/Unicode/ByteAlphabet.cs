namespace NativeQuant.Models.Tokenizers;

/// <summary>The 256 printable characters that byte-level vocabularies write bytes with.</summary>
/// <remarks>Printable Latin-1 bytes stand for themselves; the other 68 bytes, in order, are U+0100 and following.</remarks>
internal static class ByteAlphabet
{
    private const int LastCharacter = 0x143;
    private static readonly char[] CharacterOf = BuildCharacters();
    private static readonly short[] ByteOf = BuildBytes();

    /// <summary>The character of each byte.</summary>
    public static ReadOnlySpan<char> Characters => CharacterOf;

    /// <summary>The byte of a character, or -1 where it is not in the alphabet.</summary>
    public static int ToByte(char c) => c <= LastCharacter ? ByteOf[c] : -1;

    private static char[] BuildCharacters()
    {
        var characters = new char[256];
        char next = '\u0100';
        for (int value = 0; value < 256; value++)
        {
            characters[value] = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE ? (char)value : next++;
        }

        return characters;
    }

    private static short[] BuildBytes()
    {
        var bytes = new short[LastCharacter + 1];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++)
        {
            bytes[CharacterOf[value]] = (short)value;
        }

        return bytes;
    }
}

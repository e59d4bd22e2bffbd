using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Writes every byte of the text's UTF-8 as one character of <see cref="ByteAlphabet"/>, after GPT-2's split where asked for.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : PreTokenizer
{
    private static readonly TextPattern Words = PatternRegistry.Get(Gpt2Scanner.Pattern);

    public static ByteLevelPreTokenizer Read(ComponentFields fields) =>
        new(fields.Boolean("add_prefix_space"), fields.Boolean("use_regex", fallback: true));

    public override void Apply(PreTokenizedText text)
    {
        if (addPrefixSpace)
        {
            text.Rewrite(AddPrefixSpace);
        }

        if (useRegex)
        {
            text.Split(Words, SplitBehavior.Isolated);
        }

        text.Rewrite(MapBytes);
    }

    private static void AddPrefixSpace(PreTokenizedText.Piece piece, ReadOnlySpan<char> span, PieceWriter writer)
    {
        if (span[0] != ' ')
        {
            writer.Append(' ', 0, 0);
        }

        for (int i = 0; i < span.Length; i++)
        {
            writer.Append(span[i], i, i + 1);
        }
    }

    private static void MapBytes(PreTokenizedText.Piece piece, ReadOnlySpan<char> span, PieceWriter writer)
    {
        ReadOnlySpan<char> alphabet = ByteAlphabet.Characters;
        Span<byte> bytes = stackalloc byte[4];
        for (int i = 0, length; i < span.Length; i += length)
        {
            if (span[i] < 128)
            {
                length = 1;
                writer.Append(alphabet[span[i]], i, i + 1);
                continue;
            }

            int count = new Rune(CodePoint.At(span, i, out length)).EncodeToUtf8(bytes);
            foreach (byte value in bytes[..count])
            {
                writer.Append(alphabet[value], i, i + length);
            }
        }
    }
}

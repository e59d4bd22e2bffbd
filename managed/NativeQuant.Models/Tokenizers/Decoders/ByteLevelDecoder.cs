using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Characters of <see cref="ByteAlphabet"/> back to bytes, and these to text; a token with any other character stands for itself.</summary>
internal sealed class ByteLevelDecoder : Decoder
{
    public override DecoderStage CreateStage(DecoderStage next) => new Stage(next);

    private sealed class Stage(DecoderStage next) : WholeTokenStage(next)
    {
        // Holds the bytes of an open code point between tokens; invalid ones become U+FFFD as the WHATWG rule has it.
        private readonly System.Text.Decoder utf8 = Encoding.UTF8.GetDecoder();
        private byte[] bytes = new byte[64];
        private char[] chars = new char[64];

        protected override void Accept(ReadOnlySpan<char> token)
        {
            int count = ToBytes(token);
            EmitText(bytes.AsSpan(0, count), flush: false);
        }

        protected override void Finish()
        {
            EmitText([], flush: true);
            Next.EndToken();
        }

        private int ToBytes(ReadOnlySpan<char> token)
        {
            int size = Encoding.UTF8.GetMaxByteCount(token.Length);
            if (bytes.Length < size)
            {
                bytes = new byte[size];
            }

            for (int i = 0; i < token.Length; i++)
            {
                int value = ByteAlphabet.ToByte(token[i]);
                if (value < 0)
                {
                    return Encoding.UTF8.GetBytes(token, bytes);
                }

                bytes[i] = (byte)value;
            }

            return token.Length;
        }

        // All of the text is one token for the decoders after this one, so only Finish ends it.
        private void EmitText(ReadOnlySpan<byte> source, bool flush)
        {
            int size = utf8.GetCharCount(source, flush);
            if (chars.Length < size)
            {
                chars = new char[size];
            }

            int count = utf8.GetChars(source, chars, flush);
            if (count > 0)
            {
                Next.Write(chars.AsSpan(0, count));
            }
        }
    }
}

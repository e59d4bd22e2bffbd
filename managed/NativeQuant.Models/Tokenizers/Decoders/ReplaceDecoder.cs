namespace NativeQuant.Models.Tokenizers;

/// <summary>Replaces every match of a pattern in each token.</summary>
internal sealed class ReplaceDecoder(TextPattern pattern, string content) : Decoder
{
    public static ReplaceDecoder Read(ComponentFields fields) => new(fields.Pattern("pattern"), fields.String("content"));

    public override DecoderStage CreateStage(DecoderStage next) => new Stage(pattern, content, next);

    private sealed class Stage(TextPattern pattern, string content, DecoderStage next) : WholeTokenStage(next)
    {
        protected override void Accept(ReadOnlySpan<char> token)
        {
            int position = 0;
            while (position < token.Length && pattern.TryFind(token, position, out int matchStart, out int matchEnd))
            {
                Next.Write(token[position..matchStart]);
                Next.Write(content);
                position = matchEnd;
            }

            Emit(token[position..]);
        }
    }
}

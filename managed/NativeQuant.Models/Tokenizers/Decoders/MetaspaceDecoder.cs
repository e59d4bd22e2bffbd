namespace NativeQuant.Models.Tokenizers;

/// <summary>The visible space back to a space; those of the first token are dropped where one is put in front when encoding.</summary>
internal sealed class MetaspaceDecoder(char replacement, PrependScheme scheme) : Decoder
{
    public static MetaspaceDecoder Read(ComponentFields fields) =>
        new(MetaspacePreTokenizer.ReadReplacement(fields), MetaspacePreTokenizer.ReadScheme(fields));

    public override DecoderStage CreateStage(DecoderStage next) => new Stage(replacement, scheme, next);

    private sealed class Stage(char replacement, PrependScheme scheme, DecoderStage next) : WholeTokenStage(next)
    {
        private bool first = true;

        protected override void Accept(ReadOnlySpan<char> token)
        {
            bool drop = first && scheme != PrependScheme.Never;
            first = false;
            for (int index; (index = token.IndexOf(replacement)) >= 0; token = token[(index + 1)..])
            {
                Next.Write(token[..index]);
                Next.Write(drop ? "" : " ");
            }

            Emit(token);
        }
    }
}

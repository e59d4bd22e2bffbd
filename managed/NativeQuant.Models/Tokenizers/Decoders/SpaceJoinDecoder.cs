namespace NativeQuant.Models.Tokenizers;

/// <summary>What a tokenizer without a decoder does: tokens with a space between.</summary>
internal sealed class SpaceJoinDecoder : Decoder
{
    public override DecoderStage CreateStage(DecoderStage next) => new Stage(next);

    private sealed class Stage(DecoderStage next) : WholeTokenStage(next)
    {
        private bool first = true;

        protected override void Accept(ReadOnlySpan<char> token)
        {
            if (!first)
            {
                Next.Write(" ");
            }

            Emit(token);
            first = false;
        }
    }
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>Makes one token of all, for the decoders after it.</summary>
internal sealed class FuseDecoder : Decoder
{
    public override DecoderStage CreateStage(DecoderStage next) => new Stage(next);

    private sealed class Stage(DecoderStage next) : DecoderStage
    {
        public override void Write(ReadOnlySpan<char> part) => next.Write(part);

        public override void EndToken()
        {
        }

        public override void Complete()
        {
            next.EndToken();
            next.Complete();
        }
    }
}

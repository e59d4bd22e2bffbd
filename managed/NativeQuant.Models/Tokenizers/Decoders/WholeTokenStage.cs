using System.Buffers;

namespace NativeQuant.Models.Tokenizers;

/// <summary>A stage that looks at whole tokens: parts are collected until the token ends.</summary>
internal abstract class WholeTokenStage(DecoderStage next) : DecoderStage
{
    private readonly ArrayBufferWriter<char> parts = new();

    protected DecoderStage Next => next;

    public sealed override void Write(ReadOnlySpan<char> part) => parts.Write(part);

    public sealed override void EndToken()
    {
        Accept(parts.WrittenSpan);
        parts.ResetWrittenCount();
    }

    public sealed override void Complete()
    {
        Finish();
        next.Complete();
    }

    /// <summary>Takes one token; the span is valid during the call.</summary>
    protected abstract void Accept(ReadOnlySpan<char> token);

    /// <summary>The tokens have ended.</summary>
    protected virtual void Finish()
    {
    }

    protected void Emit(ReadOnlySpan<char> token)
    {
        next.Write(token);
        next.EndToken();
    }
}

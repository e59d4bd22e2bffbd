namespace NativeQuant.Models.Tokenizers;

/// <summary>Turns tokens back into text. Immutable and thread-safe; each decoding run gets its own stage.</summary>
internal abstract class Decoder
{
    /// <summary>Creates the stage of one run, which hands what it makes to <paramref name="next"/>.</summary>
    public abstract DecoderStage CreateStage(DecoderStage next);
}

/// <summary>One step of a decoding run, fed token by token, so that whole texts and streams take the same path.</summary>
internal abstract class DecoderStage
{
    /// <summary>A part of the current token, or all of it.</summary>
    public abstract void Write(ReadOnlySpan<char> part);

    /// <summary>The current token is complete.</summary>
    public abstract void EndToken();

    /// <summary>There are no more tokens: whatever was held back has to come out.</summary>
    public abstract void Complete();
}

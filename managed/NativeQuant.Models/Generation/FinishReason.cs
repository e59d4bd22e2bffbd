namespace NativeQuant.Models;

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>The model produced one of the end-of-sequence ids.</summary>
    EndOfSequence,

    /// <summary>One of <see cref="GenerationOptions.StopStrings"/> appeared in the text. Nothing from its first character on is emitted.</summary>
    StopString,

    /// <summary><see cref="GenerationOptions.MaxNewTokens"/> tokens were generated.</summary>
    MaxNewTokens,

    /// <summary>The session holds as many positions as its capacity allows.</summary>
    ContextFull,
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>The switches of a BPE model.</summary>
internal sealed record BpeOptions
{
    /// <summary>The token for characters that are not in the vocabulary; null: they are dropped.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>Neighbouring unknown characters become one unknown token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>Unknown characters become the tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c> of their UTF-8 bytes, where all of these exist.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>A word that is a token is that token, whether merges lead to it or not.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Put before every character of a word but the first; empty mostly.</summary>
    public string ContinuingSubwordPrefix { get; init; } = "";

    /// <summary>Put after the last character of a word; empty mostly.</summary>
    public string EndOfWordSuffix { get; init; } = "";
}

using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Models;

/// <summary>From token ids to the text that may be given out: whole code points, and nothing that is or may become a stop string.</summary>
internal sealed class TextEmitter(Tokenizer? tokenizer, IReadOnlyList<string> stopStrings)
{
    private readonly DecodeStream? _decoder = tokenizer?.CreateDecodeStream(skipSpecialTokens: true);
    private readonly StopStringMatcher _matcher = new(stopStrings);

    /// <summary>True once a stop string was found.</summary>
    public bool Stopped => _matcher.Matched;

    /// <summary>Takes a token and returns the text that became certain.</summary>
    public string Append(int id) => _decoder is null ? "" : _matcher.Append(_decoder.Append(id));

    /// <summary>No more tokens come: returns what was held back, up to a stop string that it may complete.</summary>
    public string Flush() => _decoder is null ? "" : _matcher.Append(_decoder.Flush()) + _matcher.Flush();
}

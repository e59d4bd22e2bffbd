using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Decodes ids one at a time. All it returns, put together, is what <see cref="Tokenizer.Decode(IEnumerable{int}, bool)"/> returns for all ids.</summary>
/// <remarks>
/// Text is returned as soon as no later id can change it, and never half of a code point: while one is open, and while a decoder rule
/// has to wait (a run of byte-fallback tokens is judged as a whole), <see cref="Append"/> returns an empty string.
/// One thread at a time; streams of one tokenizer are independent of each other.
/// </remarks>
[SuppressMessage("Naming", "CA1711", Justification = "A stream of tokens, by the name users of the reference library know.")]
public sealed class DecodeStream
{
    private readonly Func<int, bool, string?> tokenOf;
    private readonly Decoder decoder;
    private readonly bool skipSpecialTokens;
    private readonly Sink sink = new();
    private DecoderStage first;

    internal DecodeStream(Func<int, bool, string?> tokenOf, Decoder decoder, bool skipSpecialTokens)
    {
        this.tokenOf = tokenOf;
        this.decoder = decoder;
        this.skipSpecialTokens = skipSpecialTokens;
        first = decoder.CreateStage(sink);
    }

    /// <summary>Takes the next id.</summary>
    /// <param name="id">The id; one that stands for no token gives nothing.</param>
    /// <returns>The text that is now complete; empty where there is none yet.</returns>
    public string Append(int id)
    {
        Feed(id);
        return sink.Take();
    }

    /// <summary>Ends the text: returns what was held back, an open code point as U+FFFD. The stream then stands at the start of a new text.</summary>
    /// <returns>The rest of the text, mostly empty.</returns>
    public string Flush()
    {
        first.Complete();
        first = decoder.CreateStage(sink);
        return sink.Take();
    }

    internal void Feed(int id)
    {
        if (tokenOf(id, skipSpecialTokens) is { } token)
        {
            first.Write(token);
            first.EndToken();
        }
    }

    private sealed class Sink : DecoderStage
    {
        private readonly ArrayBufferWriter<char> text = new();

        public override void Write(ReadOnlySpan<char> part) => text.Write(part);

        public override void EndToken()
        {
        }

        public override void Complete()
        {
        }

        public string Take()
        {
            string taken = text.WrittenSpan.ToString();
            text.ResetWrittenCount();
            return taken;
        }
    }
}

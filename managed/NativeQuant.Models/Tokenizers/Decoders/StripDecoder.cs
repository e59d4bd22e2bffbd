using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Takes up to so many of one character off the ends of each token.</summary>
internal sealed class StripDecoder(char content, int start, int stop) : Decoder
{
    public static StripDecoder Read(ComponentFields fields)
    {
        string content = fields.Character("content");
        return content.Length == 1
            ? new StripDecoder(content[0], fields.Integer("start"), fields.Integer("stop"))
            : throw TokenizerFormatException.Expected($"{fields.Path}.content", "a character of the basic plane", $"'{content}'");
    }

    public override DecoderStage CreateStage(DecoderStage next) => new Stage(content, start, stop, next);

    private sealed class Stage(char content, int maxLeading, int stop, DecoderStage next) : DecoderStage
    {
        // What may still turn out to be the token's end: only the last `stop` chars can be cut off.
        private readonly StringBuilder tail = new();
        private readonly int maxLeading = maxLeading;
        private int leading = maxLeading;

        public override void Write(ReadOnlySpan<char> part)
        {
            while (leading > 0 && part.Length > 0)
            {
                if (part[0] != content)
                {
                    leading = 0;
                    break;
                }

                leading--;
                part = part[1..];
            }

            if (part.Length == 0)
            {
                return;
            }

            int kept = part.Length;
            while (kept > 0 && part[kept - 1] == content && part.Length - kept < stop)
            {
                kept--;
            }

            if (kept > 0)
            {
                FlushTail();
                next.Write(part[..kept]);
            }

            tail.Append(part[kept..]);
        }

        public override void EndToken()
        {
            // A run that came in several parts may be longer than what is to be cut off.
            tail.Length = Math.Max(0, tail.Length - stop);
            FlushTail();
            next.EndToken();
            leading = maxLeading;
        }

        public override void Complete() => next.Complete();

        private void FlushTail()
        {
            if (tail.Length > 0)
            {
                next.Write(tail.ToString());
                tail.Clear();
            }
        }
    }
}

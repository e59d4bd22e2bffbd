using System.Globalization;
using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Runs of tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c> back to text: a run that is not valid UTF-8 as a whole gives one U+FFFD per byte.</summary>
/// <remarks>A run can therefore be judged only when it ends, and a stream shows nothing of it before.</remarks>
internal sealed class ByteFallbackDecoder : Decoder
{
    public override DecoderStage CreateStage(DecoderStage next) => new Stage(next);

    private sealed class Stage(DecoderStage next) : WholeTokenStage(next)
    {
        private readonly List<byte> run = [];

        protected override void Accept(ReadOnlySpan<char> token)
        {
            if (token.Length == 6 && token.StartsWith("<0x") && token[5] == '>'
                && byte.TryParse(token.Slice(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
            {
                run.Add(value);
                return;
            }

            Finish();
            Emit(token);
        }

        protected override void Finish()
        {
            if (run.Count == 0)
            {
                return;
            }

            byte[] bytes = [.. run];
            run.Clear();
            if (System.Text.Unicode.Utf8.IsValid(bytes))
            {
                Emit(Encoding.UTF8.GetString(bytes));
                return;
            }

            for (int i = 0; i < bytes.Length; i++)
            {
                Emit("\uFFFD");
            }
        }
    }
}

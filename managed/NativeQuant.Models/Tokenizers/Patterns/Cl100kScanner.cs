namespace NativeQuant.Models.Tokenizers;

/// <summary>The words of Llama 3 (numbers in groups of up to three) and of Qwen 2 and 3 (each digit alone).</summary>
internal sealed class Cl100kScanner(int maxNumberLength) : WordScanner
{
    public const string LlamaPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string QwenPattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    protected override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        int contraction = SkipContraction(text, start, ignoreCase: true);
        if (contraction > start)
        {
            return contraction;
        }

        CharClass kind = ClassAt(text, start, out int length);
        if ((kind & CharClass.Number) != 0)
        {
            return SkipNumbers(text, start, maxNumberLength);
        }

        int next = start + length;
        CharClass following = next < text.Length ? ClassAt(text, next, out _) : CharClass.Space;
        if ((kind & CharClass.Letter) != 0 || ((kind & CharClass.LineBreak) == 0 && (following & CharClass.Letter) != 0))
        {
            return SkipWhile(text, next, CharClass.Letter);
        }

        const CharClass WordLike = CharClass.Space | CharClass.Letter | CharClass.Number;
        if ((kind & CharClass.Space) == 0 || (text[start] == ' ' && (following & WordLike) == 0))
        {
            return SkipWhile(text, SkipUntil(text, next, WordLike), CharClass.LineBreak);
        }

        return SkipWhiteSpace(text, start, lineBreaks: true);
    }
}

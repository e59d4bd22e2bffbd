using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Lower case, code point by code point and in no language's special way.</summary>
internal sealed class LowercaseNormalizer : Normalizer
{
    public override string Normalize(string text)
    {
        var result = new StringBuilder(text.Length);
        Span<char> chars = stackalloc char[2];
        foreach (Rune rune in text.EnumerateRunes())
        {
            // The only code point whose full lower case has two: it keeps its dot as a mark of its own.
            if (rune.Value == 0x130)
            {
                result.Append("i\u0307");
                continue;
            }

            int length = Rune.ToLowerInvariant(rune).EncodeToUtf16(chars);
            result.Append(chars[..length]);
        }

        return result.ToString();
    }
}

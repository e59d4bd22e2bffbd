using System.Text;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Unicode normalization (UAX #15) that does not depend on the process's globalization mode.</summary>
internal static class UnicodeNormalization
{
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28, HangulCount = LeadCount * VowelCount * TailCount;
    private static readonly Lazy<ulong[]>[] Active = [.. Enum.GetValues<UnicodeForm>().Select(form => new Lazy<ulong[]>(() => FindActive(form)))];

    /// <summary>The text in a normalization form; the very same string where it already is in that form by a quick check.</summary>
    /// <remarks>
    /// A code point is called active where it can change, move, or combine with one before it. The text can be cut before any other
    /// code point, so only runs of active ones, each with the one code point before it, have to be looked at.
    /// </remarks>
    public static string Normalize(string text, UnicodeForm form)
    {
        int firstActive = IndexOfActive(text, 0, form);
        if (firstActive < 0)
        {
            return text;
        }

        var result = new StringBuilder(text.Length + 16);
        var points = new List<int>();
        int position = 0;
        while (firstActive >= 0)
        {
            int start = StepBack(text, firstActive, position);
            int end = EndOfActive(text, firstActive, form);
            result.Append(text, position, start - position);
            AppendNormalized(text.AsSpan(start, end - start), form, points, result);
            position = end;
            firstActive = IndexOfActive(text, position, form);
        }

        return result.Append(text, position, text.Length - position).ToString();
    }

    private static bool IsComposing(UnicodeForm form) => form is UnicodeForm.C or UnicodeForm.KC;

    private static bool IsCompatibility(UnicodeForm form) => form is UnicodeForm.KC or UnicodeForm.KD;

    private static int StepBack(string text, int index, int floor) =>
        index == floor ? index : index - floor > 1 && char.IsSurrogatePair(text[index - 2], text[index - 1]) ? index - 2 : index - 1;

    private static int IndexOfActive(string text, int start, UnicodeForm form)
    {
        // Below U+0300 nothing is active in form C, and below U+00A0 in no form.
        char firstActive = form == UnicodeForm.C ? '\u0300' : '\u00A0';
        for (int index = start, length; index < text.Length; index += length)
        {
            int skipped = text.AsSpan(index).IndexOfAnyExceptInRange('\0', (char)(firstActive - 1));
            if (skipped < 0)
            {
                return -1;
            }

            index += skipped;
            if (IsActive(CodePoint.At(text, index, out length), form))
            {
                return index;
            }
        }

        return -1;
    }

    private static int EndOfActive(string text, int start, UnicodeForm form)
    {
        int index = start;
        while (index < text.Length && IsActive(CodePoint.At(text, index, out int length), form))
        {
            index += length;
        }

        return index;
    }

    private static bool IsActive(int codePoint, UnicodeForm form) => codePoint <= char.MaxValue
        ? (Active[(int)form].Value[codePoint >> 6] >> (codePoint & 63) & 1) != 0
        : ComputeActive(codePoint, form);

    private static ulong[] FindActive(UnicodeForm form)
    {
        var bits = new ulong[1024];
        for (int codePoint = 0; codePoint <= char.MaxValue; codePoint++)
        {
            bits[codePoint >> 6] |= (ComputeActive(codePoint, form) ? 1UL : 0) << (codePoint & 63);
        }

        return bits;
    }

    private static bool ComputeActive(int codePoint, UnicodeForm form)
    {
        UnicodeNormalizationData data = UnicodeNormalizationData.Instance;
        if (data.CombiningClass(codePoint) != 0)
        {
            return true;
        }

        bool isHangul = codePoint is >= HangulBase and < HangulBase + HangulCount;
        if (!IsComposing(form))
        {
            return isHangul || data.Decomposition(codePoint, IsCompatibility(form)) is not null;
        }

        if (data.IsSecondPart(codePoint) || codePoint is (>= VowelBase and < VowelBase + VowelCount) or (> TailBase and < TailBase + TailCount))
        {
            return true;
        }

        if (isHangul || data.Decomposition(codePoint, IsCompatibility(form)) is not { } parts)
        {
            return false;
        }

        var points = new List<int>(parts);
        Compose(points);
        return points.Count != 1 || points[0] != codePoint;
    }

    private static void AppendNormalized(ReadOnlySpan<char> text, UnicodeForm form, List<int> points, StringBuilder result)
    {
        points.Clear();
        for (int index = 0, length; index < text.Length; index += length)
        {
            Decompose(CodePoint.At(text, index, out length), IsCompatibility(form), points);
        }

        Reorder(points);
        if (IsComposing(form))
        {
            Compose(points);
        }

        foreach (int point in points)
        {
            if (point <= char.MaxValue)
            {
                result.Append((char)point);
            }
            else
            {
                result.Append(char.ConvertFromUtf32(point));
            }
        }
    }

    private static void Decompose(int codePoint, bool isCompatibility, List<int> points)
    {
        int syllable = codePoint - HangulBase;
        if (syllable is >= 0 and < HangulCount)
        {
            points.Add(LeadBase + syllable / (VowelCount * TailCount));
            points.Add(VowelBase + syllable % (VowelCount * TailCount) / TailCount);
            if (syllable % TailCount != 0)
            {
                points.Add(TailBase + syllable % TailCount);
            }
        }
        else if (UnicodeNormalizationData.Instance.Decomposition(codePoint, isCompatibility) is { } parts)
        {
            points.AddRange(parts);
        }
        else
        {
            points.Add(codePoint);
        }
    }

    /// <summary>Sorts each run of marks by combining class, equals in their order (by a stable sort: runs can be long).</summary>
    private static void Reorder(List<int> points)
    {
        UnicodeNormalizationData data = UnicodeNormalizationData.Instance;
        for (int start = 0; start < points.Count; start++)
        {
            if (data.CombiningClass(points[start]) == 0)
            {
                continue;
            }

            int end = start + 1;
            bool sorted = true;
            while (end < points.Count && data.CombiningClass(points[end]) is > 0 and byte current)
            {
                sorted &= data.CombiningClass(points[end - 1]) <= current;
                end++;
            }

            if (!sorted)
            {
                int[] marks = [.. points.GetRange(start, end - start).OrderBy(data.CombiningClass)];
                for (int i = 0; i < marks.Length; i++)
                {
                    points[start + i] = marks[i];
                }
            }

            start = end - 1;
        }
    }

    private static void Compose(List<int> points)
    {
        UnicodeNormalizationData data = UnicodeNormalizationData.Instance;
        int kept = 0;
        int starter = -1;
        int lastClass = 0;
        foreach (int point in points.ToArray())
        {
            // A mark is blocked by one of the same or a higher class that stayed between it and the starter.
            int combiningClass = data.CombiningClass(point);
            bool blocked = kept - 1 > starter && (lastClass == 0 || lastClass >= combiningClass);
            if (starter >= 0 && !blocked && TryCompose(points[starter], point, out int composite))
            {
                points[starter] = composite;
                continue;
            }

            if (combiningClass == 0)
            {
                starter = kept;
            }

            lastClass = combiningClass;
            points[kept++] = point;
        }

        points.RemoveRange(kept, points.Count - kept);
    }

    private static bool TryCompose(int first, int second, out int composite)
    {
        int lead = first - LeadBase, vowel = second - VowelBase;
        if (lead is >= 0 and < LeadCount && vowel is >= 0 and < VowelCount)
        {
            composite = HangulBase + (lead * VowelCount + vowel) * TailCount;
            return true;
        }

        int syllable = first - HangulBase, tail = second - TailBase;
        if (syllable is >= 0 and < HangulCount && syllable % TailCount == 0 && tail is > 0 and < TailCount)
        {
            composite = first + tail;
            return true;
        }

        return UnicodeNormalizationData.Instance.TryCompose(first, second, out composite);
    }
}

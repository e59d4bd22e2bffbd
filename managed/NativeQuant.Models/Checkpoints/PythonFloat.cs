using System.Globalization;

namespace NativeQuant.Models.Checkpoints;

/// <summary>Prints numbers as Python does, so that texts in checkpoints are the same to the byte.</summary>
internal static class PythonFloat
{
    /// <summary>
    /// <c>repr</c> of a finite double: the fewest digits that give it back; with an exponent (two digits at least) below 1e-4 and from 1e16 on.
    /// .NET finds the same digits and puts the point elsewhere.
    /// </summary>
    public static string Repr(double value)
    {
        string shortest = double.Abs(value).ToString("E16", CultureInfo.InvariantCulture);
        for (int precision = 0; precision < 16; precision++)
        {
            string candidate = double.Abs(value).ToString($"E{precision}", CultureInfo.InvariantCulture);
            if (double.Parse(candidate, CultureInfo.InvariantCulture) == double.Abs(value))
            {
                shortest = candidate;
                break;
            }
        }
        int mark = shortest.IndexOf('E', StringComparison.Ordinal);
        string digits = shortest[..mark].Replace(".", "", StringComparison.Ordinal);
        int exponent = int.Parse(shortest.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string sign = double.IsNegative(value) ? "-" : "";
        return sign + exponent switch
        {
            < -4 or >= 16 => Scientific(digits, exponent),
            < 0 => $"0.{new string('0', -exponent - 1)}{digits}",
            _ when digits.Length <= exponent + 1 => $"{digits.PadRight(exponent + 1, '0')}.0",
            _ => $"{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}",
        };
    }

    private static string Scientific(string digits, int exponent)
    {
        string fraction = digits.Length > 1 ? $".{digits[1..]}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{int.Abs(exponent):00}");
    }
}

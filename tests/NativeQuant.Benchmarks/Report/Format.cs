using System.Globalization;

namespace NativeQuant.Benchmarks.Report;

/// <summary>Numbers as text.</summary>
internal static class Format
{
    /// <summary>The number, or nothing.</summary>
    public static string Number(double? value, string format) => value is { } number ? number.ToString(format, CultureInfo.InvariantCulture) : "";

    /// <summary>Three significant digits.</summary>
    public static string Rate(double? value) => Number(value, value switch { < 10 => "0.00", < 100 => "0.0", _ => "0" });
}

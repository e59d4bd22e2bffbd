using System.Globalization;

namespace NativeQuant.Cli.Output;

/// <summary>Numbers as a person reads them, the same in every culture.</summary>
internal static class Units
{
    private const double Kibi = 1024;

    /// <summary>Bytes in B, KiB, MiB or GiB.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1024 => Format($"{bytes} B"),
        < 1024 * 1024 => Format($"{bytes / Kibi:0.0} KiB"),
        < 1024L * 1024 * 1024 => Format($"{bytes / (Kibi * Kibi):0.00} MiB"),
        _ => Format($"{bytes / (Kibi * Kibi * Kibi):0.00} GiB"),
    };

    /// <summary>A duration in ms, s or min.</summary>
    public static string Seconds(TimeSpan duration) => duration.TotalSeconds switch
    {
        < 1 => Format($"{duration.TotalMilliseconds:0} ms"),
        < 100 => Format($"{duration.TotalSeconds:0.0} s"),
        _ => Format($"{duration.TotalMinutes:0.0} min"),
    };

    /// <summary>A count with thousands separators.</summary>
    public static string Count(long count) => Format($"{count:N0}");

    /// <summary>Formats with the invariant culture.</summary>
    public static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

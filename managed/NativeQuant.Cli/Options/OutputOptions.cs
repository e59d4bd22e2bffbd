using System.CommandLine;

namespace NativeQuant.Cli.Options;

/// <summary>Options about what a command prints.</summary>
internal static class OutputOptions
{
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON object on standard output instead of text; progress and errors stay on standard error." };

    public static Option<bool> Verbose() => new("--verbose") { Description = "On failure also print where it arose." };
}

using System.CommandLine;
using System.CommandLine.Parsing;

namespace NativeQuant.Cli.Options;

/// <summary>Rules for positional arguments.</summary>
internal static class ArgumentRules
{
    /// <summary>Makes a mistyped option an error; without this it would be taken for the argument.</summary>
    public static Argument<T> RefusingOptions<T>(this Argument<T> argument)
    {
        argument.Validators.Add(static result =>
        {
            foreach (Token token in result.Tokens)
            {
                if (token.Value.StartsWith("--", StringComparison.Ordinal))
                {
                    result.AddError($"Unrecognized option '{token.Value}'.");
                }
            }
        });
        return argument;
    }
}

using System.Text.RegularExpressions;

namespace NativeQuant.Models;

/// <summary>
/// Which linear modules are quantized on loading, by transformers' rule: all but those that an entry of the skip list matches. An entry
/// matches a module if, as a regular expression, it matches at the start of the module's full name, or if the name ends with it.
/// </summary>
internal sealed class ModuleSelection
{
    private static readonly TimeSpan MatchTimeout = TimeSpan.FromSeconds(1);
    private readonly (string Entry, Regex Pattern)[] _skipped;

    /// <param name="skipModules">The skip list.</param>
    /// <exception cref="ArgumentException">An entry is no regular expression.</exception>
    public ModuleSelection(IReadOnlyList<string> skipModules) => _skipped = [.. skipModules.Select(static entry => (entry, Compile(entry)))];

    /// <summary>Whether the linear module of this full name is quantized.</summary>
    public bool Includes(string module)
    {
        foreach ((string entry, Regex pattern) in _skipped)
        {
            if (module.EndsWith(entry, StringComparison.Ordinal) || pattern.IsMatch(module))
            {
                return false;
            }
        }
        return true;
    }

    private static Regex Compile(string entry)
    {
        try
        {
            return new Regex($@"\A(?:{entry})", RegexOptions.CultureInvariant, MatchTimeout);
        }
        catch (ArgumentException cause)
        {
            throw ModelErrors.InvalidSkipModule(entry, cause);
        }
    }
}

using System.Text;

namespace NativeQuant.Models;

/// <summary>
/// Finds stop strings in text that arrives in pieces. Text that could still grow into a stop string is held back; from the first
/// character of a match on, nothing is given out. The result depends on the text only, not on how it was cut: the match that
/// completes first counts and, of those that complete together, the longest.
/// </summary>
internal sealed class StopStringMatcher
{
    private readonly string[] _stops;
    private readonly StringBuilder _held = new();

    public StopStringMatcher(IReadOnlyList<string> stops) => _stops = [.. stops];

    /// <summary>True once a stop string was found; later text is swallowed.</summary>
    public bool Matched { get; private set; }

    /// <summary>Takes the next piece and returns the text that can be given out now.</summary>
    public string Append(string text)
    {
        if (Matched || text.Length == 0)
        {
            return "";
        }
        if (_stops.Length == 0)
        {
            return text;
        }
        foreach (char c in text)
        {
            _held.Append(c);
            int match = LongestStopAtEnd();
            if (match > 0)
            {
                Matched = true;
                string before = _held.ToString(0, _held.Length - match);
                _held.Clear();
                return before;
            }
        }
        int keep = LongestPrefixAtEnd();
        if (keep == _held.Length)
        {
            return "";
        }
        string ready = _held.ToString(0, _held.Length - keep);
        _held.Remove(0, ready.Length);
        return ready;
    }

    /// <summary>No more text comes: returns what was held back.</summary>
    public string Flush()
    {
        string rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    private int LongestStopAtEnd()
    {
        int longest = 0;
        foreach (string stop in _stops)
        {
            if (stop.Length > longest && EndsWith(stop, stop.Length))
            {
                longest = stop.Length;
            }
        }
        return longest;
    }

    private int LongestPrefixAtEnd()
    {
        int longest = 0;
        foreach (string stop in _stops)
        {
            for (int length = Math.Min(stop.Length - 1, _held.Length); length > longest; length--)
            {
                if (EndsWith(stop, length))
                {
                    longest = length;
                }
            }
        }
        return longest;
    }

    private bool EndsWith(string stop, int length)
    {
        int start = _held.Length - length;
        if (start < 0)
        {
            return false;
        }
        for (int i = 0; i < length; i++)
        {
            if (_held[start + i] != stop[i])
            {
                return false;
            }
        }
        return true;
    }
}

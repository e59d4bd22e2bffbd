using System.Buffers;

namespace NativeQuant.Models.Tokenizers;

/// <summary>Finds the leftmost, and there the longest, of many literals in a text.</summary>
/// <remarks>
/// Positions where none can begin are skipped with a vectorized search for first characters. A search takes at worst the
/// text's length times that of the longest literal, and in practice little more than the vectorized search.
/// </remarks>
internal sealed class TokenTrie
{
    private readonly Dictionary<(int Node, char Next), int> edges = [];
    private readonly List<int> valueOf = [-1];
    private readonly SearchValues<char> firstCharacters;

    /// <summary>Builds the trie; where two literals are the same, the first counts. Empty ones are left out.</summary>
    public TokenTrie(IReadOnlyList<string> literals)
    {
        for (int value = 0; value < literals.Count; value++)
        {
            int node = 0;
            foreach (char c in literals[value])
            {
                if (!edges.TryGetValue((node, c), out int child))
                {
                    child = valueOf.Count;
                    valueOf.Add(-1);
                    edges.Add((node, c), child);
                }

                node = child;
            }

            if (node != 0 && valueOf[node] < 0)
            {
                valueOf[node] = value;
            }
        }

        firstCharacters = SearchValues.Create([.. edges.Keys.Where(edge => edge.Node == 0).Select(edge => edge.Next)]);
    }

    /// <summary>Finds the first match at or after <paramref name="start"/> and which literal it is.</summary>
    public bool TryFind(ReadOnlySpan<char> text, int start, out int matchStart, out int matchEnd, out int value)
    {
        for (matchStart = start; ; matchStart++)
        {
            int offset = text[matchStart..].IndexOfAny(firstCharacters);
            if (offset < 0)
            {
                (matchEnd, value) = (0, -1);
                return false;
            }

            matchStart += offset;
            if (TryMatch(text, matchStart, out matchEnd, out value))
            {
                return true;
            }
        }
    }

    private bool TryMatch(ReadOnlySpan<char> text, int start, out int end, out int value)
    {
        (end, value) = (start, -1);
        int node = 0;
        for (int i = start; i < text.Length && edges.TryGetValue((node, text[i]), out int child); i++)
        {
            node = child;
            if (valueOf[node] >= 0)
            {
                (end, value) = (i + 1, valueOf[node]);
            }
        }

        return value >= 0;
    }
}

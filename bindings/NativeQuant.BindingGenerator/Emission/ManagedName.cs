using System.Text;

namespace NativeQuant.BindingGenerator.Emission;

/// <summary>Turns C names into .NET names.</summary>
internal static class ManagedName
{
    private static readonly HashSet<string> _keywords = ["in", "out", "ref", "params", "object", "string", "base", "checked", "fixed", "lock", "event", "operator", "is", "as"];

    /// <summary>nq_matrix4bit_storage becomes NqMatrix4BitStorage.</summary>
    internal static string Type(string name) => Pascal(name.Split('_'));

    /// <summary>nq_kv_cache becomes SafeKvCacheHandle.</summary>
    internal static string SafeHandle(string name) => $"Safe{Pascal(name.Split('_')[1..])}Handle";

    /// <summary>row_stride becomes RowStride.</summary>
    internal static string Field(string name) => Pascal(name.Split('_'));

    /// <summary>NQ_ABI_VERSION_MAJOR becomes AbiVersionMajor.</summary>
    internal static string Constant(string name) => Pascal(name.Split('_')[1..]);

    /// <summary>row_absmax becomes rowAbsmax.</summary>
    internal static string Parameter(string name)
    {
        string pascal = Pascal(name.Split('_'));
        string camel = char.ToLowerInvariant(pascal[0]) + pascal[1..];
        return _keywords.Contains(camel) ? "@" + camel : camel;
    }

    /// <summary>"Linear layers" becomes LinearLayers.</summary>
    internal static string Section(string title) => Pascal(title.Split(' '));

    /// <summary>
    /// Names of an enumeration's members without the words all of them start with: NQ_STATUS_OK becomes Ok. A name that would then
    /// start with a digit keeps the last of those words: NQ_MATRIX_4BIT becomes Matrix4Bit.
    /// </summary>
    internal static IReadOnlyList<string> EnumMembers(IReadOnlyList<string> names)
    {
        string[][] words = [.. names.Select(static name => name.Split('_'))];
        int shared = 0;
        while (words.All(w => shared < w.Length - 1 && w[shared] == words[0][shared]))
        {
            shared++;
        }

        return [.. words.Select(w => Pascal(shared > 0 && char.IsAsciiDigit(w[shared][0]) ? w[(shared - 1)..] : w[shared..]))];
    }

    private static string Pascal(string[] words)
    {
        var result = new StringBuilder();
        foreach (string word in words.Where(static word => word.Length > 0))
        {
            bool upper = true;
            foreach (char c in word)
            {
                result.Append(upper ? char.ToUpperInvariant(c) : char.ToLowerInvariant(c));
                // "4bit" reads 4Bit, but "f32" stays F32.
                upper = char.IsAsciiDigit(c);
            }
        }

        return result.ToString();
    }
}

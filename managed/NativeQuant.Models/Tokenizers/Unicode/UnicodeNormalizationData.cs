namespace NativeQuant.Models.Tokenizers;

/// <summary>The tables behind <see cref="UnicodeNormalization"/>: Unicode 14.0, from <c>normalization.bin</c> (see the generator beside it).</summary>
/// <remarks>
/// string.Normalize hands the work to the ICU library and returns its input unchanged under invariant globalization, in which
/// many services run; ids must not depend on that. Unicode's stability policy keeps these tables right for all characters they know.
/// </remarks>
internal sealed class UnicodeNormalizationData
{
    private const string Resource = "NativeQuant.Models.Tokenizers.Unicode.normalization.bin";
    private static readonly Lazy<UnicodeNormalizationData> Shared = new(() => new UnicodeNormalizationData(ReadResource()));
    private readonly Dictionary<int, int[]> canonical = [];
    private readonly Dictionary<int, int[]> compatibility = [];
    private readonly Dictionary<int, byte> combiningClasses = [];
    private readonly Dictionary<(int First, int Second), int> composites = [];
    private readonly HashSet<int> secondParts = [];

    private UnicodeNormalizationData(ReadOnlySpan<byte> data)
    {
        ReadDecompositions(ref data, canonical);
        ReadDecompositions(ref data, compatibility);
        int codePoint = 0;
        for (int count = ReadNumber(ref data); count > 0; count--)
        {
            codePoint += ReadNumber(ref data);
            combiningClasses.Add(codePoint, (byte)ReadNumber(ref data));
        }

        codePoint = 0;
        for (int count = ReadNumber(ref data); count > 0; count--)
        {
            codePoint += ReadNumber(ref data);
            int first = ReadNumber(ref data);
            int second = ReadNumber(ref data);
            composites.Add((first, second), codePoint);
            secondParts.Add(second);
        }
    }

    public static UnicodeNormalizationData Instance => Shared.Value;

    /// <summary>The full decomposition of a code point that is no Hangul syllable; null where it has none.</summary>
    public int[]? Decomposition(int codePoint, bool isCompatibility) =>
        isCompatibility && compatibility.TryGetValue(codePoint, out int[]? parts) ? parts : canonical.GetValueOrDefault(codePoint);

    public byte CombiningClass(int codePoint) => codePoint < 0x300 ? (byte)0 : combiningClasses.GetValueOrDefault(codePoint);

    public bool TryCompose(int first, int second, out int composite) => composites.TryGetValue((first, second), out composite);

    /// <summary>Whether a code point may be composed with one before it.</summary>
    public bool IsSecondPart(int codePoint) => secondParts.Contains(codePoint);

    private static byte[] ReadResource()
    {
        using Stream stream = typeof(UnicodeNormalizationData).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing from the assembly.");
        var data = new byte[stream.Length];
        stream.ReadExactly(data);
        return data;
    }

    private static void ReadDecompositions(ref ReadOnlySpan<byte> data, Dictionary<int, int[]> table)
    {
        int codePoint = 0;
        for (int count = ReadNumber(ref data); count > 0; count--)
        {
            codePoint += ReadNumber(ref data);
            var parts = new int[ReadNumber(ref data)];
            for (int i = 0; i < parts.Length; i++)
            {
                parts[i] = ReadNumber(ref data);
            }

            table.Add(codePoint, parts);
        }
    }

    private static int ReadNumber(ref ReadOnlySpan<byte> data)
    {
        int value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte part = data[0];
            data = data[1..];
            value |= (part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }
    }
}

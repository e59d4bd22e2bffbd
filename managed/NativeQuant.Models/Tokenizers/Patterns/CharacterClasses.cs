namespace NativeQuant.Models.Tokenizers;

/// <summary>The sets behind <c>\s</c> and <c>\w</c>.</summary>
internal static class CharacterClasses
{
    /// <summary>White_Space: a new, unfrozen set.</summary>
    public static CharacterSet WhiteSpace() => new CharacterSet()
        .AddRange('\t', '\r')
        .AddRange(0x85, 0x85)
        .AddCategories(CodePoint.Separators);

    /// <summary>Word characters, see <see cref="CodePoint.IsWord"/>: a new, unfrozen set.</summary>
    public static CharacterSet Word() => new CharacterSet()
        .AddCategories(CodePoint.WordCategories)
        .AddRange(0x200C, 0x200D)
        .AddRange(0x24B6, 0x24E9)
        .AddRange(0x1F130, 0x1F149)
        .AddRange(0x1F150, 0x1F169)
        .AddRange(0x1F170, 0x1F189);
}

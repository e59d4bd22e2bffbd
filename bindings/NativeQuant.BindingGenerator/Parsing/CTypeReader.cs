using static NativeQuant.BindingGenerator.Parsing.Libclang;

namespace NativeQuant.BindingGenerator.Parsing;

/// <summary>Turns libclang's types into <see cref="CType"/>, refusing what has no one size on every platform.</summary>
internal sealed class CTypeReader(string path)
{
    // CXTypeKind
    internal const int TypeUnsignedInt = 9;
    private const int TypeVoid = 2;
    private const int TypeCharUnsigned = 4;
    private const int TypeCharSigned = 13;
    private const int TypeInt = 17;
    private const int TypeFloat = 21;
    private const int TypeDouble = 22;
    private const int TypePointer = 101;
    private const int TypeRecord = 105;
    private const int TypeEnum = 106;
    private const int TypeTypedef = 107;

    internal CType Read(CXCursor user, CXType type)
    {
        bool isConst = clang_isConstQualifiedType(type) != 0;
        CXType canonical = clang_getCanonicalType(type);
        return canonical.Kind switch
        {
            TypeVoid => new CType(CTypeKind.Void, isConst),
            TypeCharUnsigned or TypeCharSigned => new CType(CTypeKind.Char, isConst),
            TypeFloat => new CType(CTypeKind.Float, isConst),
            TypeDouble => new CType(CTypeKind.Double, isConst),
            TypePointer => new CType(CTypeKind.Pointer, isConst, Pointee: Read(user, clang_getPointeeType(type.Kind == TypePointer ? type : canonical))),
            TypeEnum => new CType(CTypeKind.Enum, isConst, DeclaredName(canonical)),
            TypeRecord => ReadRecord(canonical, isConst),
            _ when type.Kind == TypeTypedef && FixedWidth(TranslationUnit.Name(clang_getTypeDeclaration(type))) is CTypeKind kind => new CType(kind, isConst),
            TypeInt => new CType(CTypeKind.Int32, isConst),
            _ => throw Unsupported(path, user, $"type {TranslationUnit.Text(clang_getTypeSpelling(type))}"),
        };
    }

    internal static HeaderException Unsupported(string path, CXCursor cursor, string what) =>
        new($"{path}:{TranslationUnit.Line(cursor)}: '{TranslationUnit.Name(cursor)}': the generator has no mapping for this {what}.");

    private static CType ReadRecord(CXType canonical, bool isConst)
    {
        bool isHandle = clang_Cursor_isNull(clang_getCursorDefinition(clang_getTypeDeclaration(canonical))) != 0;
        return new CType(isHandle ? CTypeKind.Handle : CTypeKind.Struct, isConst, DeclaredName(canonical));
    }

    private static string DeclaredName(CXType canonical) => TranslationUnit.Name(clang_getTypeDeclaration(canonical));

    private static CTypeKind? FixedWidth(string typedefName) => typedefName switch
    {
        "int8_t" => CTypeKind.Int8,
        "uint8_t" => CTypeKind.UInt8,
        "int16_t" => CTypeKind.Int16,
        "uint16_t" => CTypeKind.UInt16,
        "int32_t" => CTypeKind.Int32,
        "uint32_t" => CTypeKind.UInt32,
        "int64_t" => CTypeKind.Int64,
        "uint64_t" => CTypeKind.UInt64,
        "size_t" => CTypeKind.Size,
        _ => null,
    };
}

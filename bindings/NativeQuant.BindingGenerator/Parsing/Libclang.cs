using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace NativeQuant.BindingGenerator.Parsing;

/// <summary>The part of libclang's C interface (clang-c/Index.h) that the parser needs; names as there.</summary>
internal static unsafe partial class Libclang
{
    internal const string Library = "libclang";

    [StructLayout(LayoutKind.Sequential)]
    internal struct CXCursor
    {
        public int Kind;
        public int XData;
        public nint Data0;
        public nint Data1;
        public nint Data2;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CXType
    {
        public int Kind;
        public nint Data0;
        public nint Data1;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CXString
    {
        public nint Data;
        public uint Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CXSourceLocation
    {
        public nint Data0;
        public nint Data1;
        public uint Offset;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CXSourceRange
    {
        public nint Data0;
        public nint Data1;
        public uint Begin;
        public uint End;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CXToken
    {
        public uint Data0;
        public uint Data1;
        public uint Data2;
        public uint Data3;
        public nint Data4;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct CXUnsavedFile
    {
        public byte* FileName;
        public byte* Contents;
        public nuint Length;
    }

    [LibraryImport(Library)]
    internal static partial nint clang_createIndex(int excludeDeclarationsFromPch, int displayDiagnostics);

    [LibraryImport(Library)]
    internal static partial void clang_disposeIndex(nint index);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int clang_parseTranslationUnit2(nint index, string sourceFileName, byte** arguments, int argumentCount, CXUnsavedFile* unsavedFiles, uint unsavedFileCount, uint options, out nint unit);

    [LibraryImport(Library)]
    internal static partial void clang_disposeTranslationUnit(nint unit);

    [LibraryImport(Library)]
    internal static partial uint clang_getNumDiagnostics(nint unit);

    [LibraryImport(Library)]
    internal static partial nint clang_getDiagnostic(nint unit, uint index);

    [LibraryImport(Library)]
    internal static partial int clang_getDiagnosticSeverity(nint diagnostic);

    [LibraryImport(Library)]
    internal static partial uint clang_defaultDiagnosticDisplayOptions();

    [LibraryImport(Library)]
    internal static partial CXString clang_formatDiagnostic(nint diagnostic, uint options);

    [LibraryImport(Library)]
    internal static partial void clang_disposeDiagnostic(nint diagnostic);

    [LibraryImport(Library)]
    internal static partial byte* clang_getCString(CXString text);

    [LibraryImport(Library)]
    internal static partial void clang_disposeString(CXString text);

    [LibraryImport(Library)]
    internal static partial CXCursor clang_getTranslationUnitCursor(nint unit);

    [LibraryImport(Library)]
    internal static partial uint clang_visitChildren(CXCursor parent, delegate* unmanaged[Cdecl]<CXCursor, CXCursor, void*, int> visitor, void* clientData);

    [LibraryImport(Library)]
    internal static partial CXString clang_getCursorKindSpelling(int kind);

    [LibraryImport(Library)]
    internal static partial CXString clang_getCursorSpelling(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial CXSourceLocation clang_getCursorLocation(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial int clang_Location_isFromMainFile(CXSourceLocation location);

    [LibraryImport(Library)]
    internal static partial void clang_getExpansionLocation(CXSourceLocation location, nint* file, out uint line, uint* column, uint* offset);

    [LibraryImport(Library)]
    internal static partial CXString clang_Cursor_getRawCommentText(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial uint clang_isCursorDefinition(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial CXCursor clang_getCursorDefinition(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial int clang_Cursor_isNull(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial uint clang_Cursor_isAnonymous(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial uint clang_Cursor_isBitField(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial uint clang_Cursor_isVariadic(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial uint clang_Cursor_isMacroFunctionLike(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial CXType clang_getCursorType(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial CXType clang_getCursorResultType(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial CXType clang_getTypedefDeclUnderlyingType(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial CXType clang_getEnumDeclIntegerType(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial long clang_getEnumConstantDeclValue(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial ulong clang_getEnumConstantDeclUnsignedValue(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial long clang_Cursor_getOffsetOfField(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial CXType clang_getCanonicalType(CXType type);

    [LibraryImport(Library)]
    internal static partial CXType clang_getPointeeType(CXType type);

    [LibraryImport(Library)]
    internal static partial CXCursor clang_getTypeDeclaration(CXType type);

    [LibraryImport(Library)]
    internal static partial CXString clang_getTypeSpelling(CXType type);

    [LibraryImport(Library)]
    internal static partial uint clang_isConstQualifiedType(CXType type);

    [LibraryImport(Library)]
    internal static partial long clang_Type_getSizeOf(CXType type);

    [LibraryImport(Library)]
    internal static partial long clang_Type_getAlignOf(CXType type);

    [LibraryImport(Library)]
    internal static partial CXSourceRange clang_getCursorExtent(CXCursor cursor);

    [LibraryImport(Library)]
    internal static partial void clang_tokenize(nint unit, CXSourceRange range, out CXToken* tokens, out uint tokenCount);

    [LibraryImport(Library)]
    internal static partial CXString clang_getTokenSpelling(nint unit, CXToken token);

    [LibraryImport(Library)]
    internal static partial void clang_disposeTokens(nint unit, CXToken* tokens, uint tokenCount);
}

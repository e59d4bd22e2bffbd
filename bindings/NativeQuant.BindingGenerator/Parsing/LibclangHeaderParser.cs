using System.Globalization;
using System.Text.RegularExpressions;
using static NativeQuant.BindingGenerator.Parsing.Libclang;

namespace NativeQuant.BindingGenerator.Parsing;

/// <summary>Reads a header through libclang.</summary>
internal sealed partial class LibclangHeaderParser : IHeaderParser
{
    // CXCursorKind
    private const int StructDecl = 2;
    private const int EnumDecl = 5;
    private const int FieldDecl = 6;
    private const int EnumConstantDecl = 7;
    private const int FunctionDecl = 8;
    private const int ParmDecl = 10;
    private const int TypedefDecl = 20;
    private const int AnnotateAttr = 406;
    private const int MacroDefinition = 501;
    private const int MacroExpansion = 502;
    private const int InclusionDirective = 503;

    private const string AnnotationPrefix = "nq:";

    public HeaderModel Parse(string headerPath)
    {
        using TranslationUnit unit = TranslationUnit.Open(headerPath);
        var reader = new Reader(unit, headerPath);
        foreach (CXCursor cursor in TranslationUnit.Children(unit.Root))
        {
            if (clang_Location_isFromMainFile(clang_getCursorLocation(cursor)) != 0)
            {
                reader.Add(cursor);
            }
        }

        return reader.Model;
    }

    [GeneratedRegex(@"^/\* -{2,} (?<title>.+?) -{2,} \*/$")]
    private static partial Regex SectionComment();

    private sealed class Reader(TranslationUnit unit, string path)
    {
        private readonly CTypeReader _types = new(path);
        private readonly string[] _lines = File.ReadAllLines(path);
        private readonly List<ConstantModel> _constants = [];
        private readonly List<EnumModel> _enums = [];
        private readonly List<HandleModel> _handles = [];
        private readonly List<StructModel> _structs = [];
        private readonly List<FunctionModel> _functions = [];

        internal HeaderModel Model => new(_constants, _enums, _handles, _structs, _functions);

        internal void Add(CXCursor cursor)
        {
            switch (cursor.Kind)
            {
                case MacroDefinition:
                    AddConstant(cursor);
                    break;
                case EnumDecl:
                    _enums.Add(ReadEnum(cursor));
                    break;
                case StructDecl when clang_isCursorDefinition(cursor) != 0:
                    _structs.Add(ReadStruct(cursor));
                    break;
                case TypedefDecl:
                    AddTypedef(cursor);
                    break;
                case FunctionDecl:
                    _functions.Add(ReadFunction(cursor));
                    break;
                case StructDecl or MacroExpansion or InclusionDirective:
                    break;
                default:
                    throw Unsupported(cursor, TranslationUnit.Text(clang_getCursorKindSpelling(cursor.Kind)) ?? "declaration");
            }
        }

        // Only macros that are one integer literal are constants of the interface; the others steer the C compiler.
        private void AddConstant(CXCursor cursor)
        {
            string[] tokens = unit.Tokens(cursor);
            if (clang_Cursor_isMacroFunctionLike(cursor) == 0 && tokens.Length == 2
                && long.TryParse(tokens[1], NumberStyles.None, CultureInfo.InvariantCulture, out long value))
            {
                _constants.Add(new ConstantModel(tokens[0], value));
            }
        }

        private EnumModel ReadEnum(CXCursor cursor)
        {
            ThrowIfAnonymous(cursor, "enum");
            bool isUnsigned = clang_getEnumDeclIntegerType(cursor).Kind == CTypeReader.TypeUnsignedInt;
            IEnumerable<EnumMemberModel> members = TranslationUnit.Children(cursor)
                .Where(static child => child.Kind == EnumConstantDecl)
                .Select(child => new EnumMemberModel(
                    TranslationUnit.Name(child),
                    isUnsigned ? (long)clang_getEnumConstantDeclUnsignedValue(child) : clang_getEnumConstantDeclValue(child),
                    TranslationUnit.Comment(child)));
            return new EnumModel(TranslationUnit.Name(cursor), TranslationUnit.Comment(cursor), [.. members]);
        }

        private StructModel ReadStruct(CXCursor cursor)
        {
            ThrowIfAnonymous(cursor, "struct");
            var fields = new List<FieldModel>();
            foreach (CXCursor child in TranslationUnit.Children(cursor))
            {
                if (child.Kind != FieldDecl || clang_Cursor_isBitField(child) != 0)
                {
                    string what = child.Kind == FieldDecl ? "bit-field" : TranslationUnit.Text(clang_getCursorKindSpelling(child.Kind)) ?? "member";
                    throw Unsupported(child, $"{what} in struct {TranslationUnit.Name(cursor)}");
                }

                fields.Add(new FieldModel(
                    TranslationUnit.Name(child),
                    _types.Read(child, clang_getCursorType(child)),
                    (int)(clang_Cursor_getOffsetOfField(child) / 8),
                    TranslationUnit.Comment(child)));
            }

            CXType type = clang_getCursorType(cursor);
            return new StructModel(
                TranslationUnit.Name(cursor), TranslationUnit.Comment(cursor), (int)clang_Type_getSizeOf(type), (int)clang_Type_getAlignOf(type), fields);
        }

        // "typedef struct x x;" names an enum or struct that is read elsewhere, or makes a handle; nothing else is allowed.
        private void AddTypedef(CXCursor cursor)
        {
            string name = TranslationUnit.Name(cursor);
            CXCursor target = clang_getTypeDeclaration(clang_getTypedefDeclUnderlyingType(cursor));
            if (target.Kind is not (StructDecl or EnumDecl) || TranslationUnit.Name(target) != name)
            {
                throw Unsupported(cursor, "typedef that is not of a struct or enum of the same name");
            }

            if (target.Kind == StructDecl && clang_Cursor_isNull(clang_getCursorDefinition(target)) != 0)
            {
                _handles.Add(new HandleModel(name, TranslationUnit.Comment(cursor)));
            }
        }

        private FunctionModel ReadFunction(CXCursor cursor)
        {
            if (clang_Cursor_isVariadic(cursor) != 0)
            {
                throw Unsupported(cursor, "variadic function");
            }

            IEnumerable<ParameterModel> parameters = TranslationUnit.Children(cursor)
                .Where(static child => child.Kind == ParmDecl)
                .Select(ReadParameter);
            return new FunctionModel(
                TranslationUnit.Name(cursor),
                SectionAbove(TranslationUnit.Line(cursor)),
                TranslationUnit.Comment(cursor),
                _types.Read(cursor, clang_getCursorResultType(cursor)),
                [.. parameters]);
        }

        private ParameterModel ReadParameter(CXCursor cursor)
        {
            bool isOut = false, isOwned = false, isNullable = false;
            string? span = null;
            foreach (CXCursor child in TranslationUnit.Children(cursor).Where(static child => child.Kind == AnnotateAttr))
            {
                string annotation = TranslationUnit.Name(child);
                switch (annotation)
                {
                    case "nq:out":
                        isOut = true;
                        break;
                    case "nq:owned":
                        isOwned = true;
                        break;
                    case "nq:nullable":
                        isNullable = true;
                        break;
                    case string when annotation.StartsWith("nq:span:", StringComparison.Ordinal):
                        span = annotation["nq:span:".Length..];
                        break;
                    case string when annotation.StartsWith(AnnotationPrefix, StringComparison.Ordinal):
                        throw Unsupported(cursor, $"annotation {annotation}");
                }
            }

            return new ParameterModel(TranslationUnit.Name(cursor), _types.Read(cursor, clang_getCursorType(cursor)), isOut, isOwned, isNullable, span);
        }

        private string SectionAbove(int line)
        {
            for (int i = line - 2; i >= 0; i--)
            {
                Match match = SectionComment().Match(_lines[i]);
                if (match.Success)
                {
                    return match.Groups["title"].Value;
                }
            }

            return string.Empty;
        }

        private void ThrowIfAnonymous(CXCursor cursor, string what)
        {
            if (clang_Cursor_isAnonymous(cursor) != 0 || TranslationUnit.Name(cursor).Length == 0)
            {
                throw Unsupported(cursor, $"{what} without a name");
            }
        }

        private HeaderException Unsupported(CXCursor cursor, string what) => CTypeReader.Unsupported(path, cursor, what);
    }
}

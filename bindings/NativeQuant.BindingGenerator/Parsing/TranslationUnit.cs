using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;
using System.Text;
using static NativeQuant.BindingGenerator.Parsing.Libclang;

namespace NativeQuant.BindingGenerator.Parsing;

/// <summary>Owner of one parsed file: opens it, reports its errors, and reads cursors as .NET values.</summary>
internal sealed unsafe class TranslationUnit : IDisposable
{
    private const int SeverityError = 3;
    private const uint DetailedPreprocessingRecord = 1;
    private const int VisitContinue = 1;

    // The only system headers an interface header needs, served from memory: the result then depends neither on the
    // machine's C library nor on clang's own header package.
    private const string HeaderFolder = "/nativequant-builtin";

    private static readonly (string Name, string Text)[] _systemHeaders =
    [
        ("stdint.h",
        """
        #pragma once
        typedef __INT8_TYPE__ int8_t; typedef __UINT8_TYPE__ uint8_t;
        typedef __INT16_TYPE__ int16_t; typedef __UINT16_TYPE__ uint16_t;
        typedef __INT32_TYPE__ int32_t; typedef __UINT32_TYPE__ uint32_t;
        typedef __INT64_TYPE__ int64_t; typedef __UINT64_TYPE__ uint64_t;

        """),
        ("stddef.h",
        """
        #pragma once
        typedef __SIZE_TYPE__ size_t;

        """),
    ];

    private static readonly string[] _arguments =
        ["-x", "c", "-std=c11", "-nostdinc", "-isystem", HeaderFolder, "-DNQ_GENERATE_BINDINGS", "-target", "x86_64-unknown-linux-gnu"];

    private readonly nint _index;
    private nint _unit;

    private TranslationUnit(nint index, nint unit) => (_index, _unit) = (index, unit);

    /// <summary>The cursor of the whole file.</summary>
    internal CXCursor Root => clang_getTranslationUnitCursor(_unit);

    /// <summary>Parses a file and throws if it is not valid C.</summary>
    internal static TranslationUnit Open(string path)
    {
        LibclangLoader.EnsureLoaded();
        nint index = clang_createIndex(0, 0);
        int code = Parse(index, path, out nint unit);
        var result = new TranslationUnit(index, unit);
        if (code != 0)
        {
            result.Dispose();
            throw new HeaderException($"{path}: libclang could not read the file (error code {code}).");
        }

        try
        {
            result.ThrowOnErrors(path);
            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>The direct children of a cursor.</summary>
    internal static List<CXCursor> Children(CXCursor parent)
    {
        var children = new List<CXCursor>();
        var handle = GCHandle.Alloc(children);
        try
        {
            _ = clang_visitChildren(parent, &Collect, (void*)GCHandle.ToIntPtr(handle));
        }
        finally
        {
            handle.Free();
        }

        return children;
    }

    /// <summary>Copies and frees a libclang string; null stays null.</summary>
    internal static string? Text(CXString text)
    {
        string? result = Utf8StringMarshaller.ConvertToManaged(clang_getCString(text));
        clang_disposeString(text);
        return result;
    }

    internal static string Name(CXCursor cursor) => Text(clang_getCursorSpelling(cursor)) ?? string.Empty;

    internal static string? Comment(CXCursor cursor) => Text(clang_Cursor_getRawCommentText(cursor));

    /// <summary>Line of the declaration in the file, from 1.</summary>
    internal static int Line(CXCursor cursor)
    {
        clang_getExpansionLocation(clang_getCursorLocation(cursor), null, out uint line, null, null);
        return (int)line;
    }

    /// <summary>The source tokens of a cursor.</summary>
    internal string[] Tokens(CXCursor cursor)
    {
        clang_tokenize(_unit, clang_getCursorExtent(cursor), out CXToken* tokens, out uint count);
        var result = new string[count];
        for (uint i = 0; i < count; i++)
        {
            result[i] = Text(clang_getTokenSpelling(_unit, tokens[i])) ?? string.Empty;
        }

        clang_disposeTokens(_unit, tokens, count);
        return result;
    }

    public void Dispose()
    {
        if (_unit != 0)
        {
            clang_disposeTranslationUnit(_unit);
            _unit = 0;
        }

        clang_disposeIndex(_index);
    }

    private static int Parse(nint index, string path, out nint unit)
    {
        var allocations = new List<nint>();
        byte* Utf8(string text)
        {
            byte* copy = Utf8StringMarshaller.ConvertToUnmanaged(text);
            allocations.Add((nint)copy);
            return copy;
        }

        try
        {
            byte** arguments = stackalloc byte*[_arguments.Length];
            for (int i = 0; i < _arguments.Length; i++)
            {
                arguments[i] = Utf8(_arguments[i]);
            }

            CXUnsavedFile* headers = stackalloc CXUnsavedFile[_systemHeaders.Length];
            for (int i = 0; i < _systemHeaders.Length; i++)
            {
                (string name, string text) = _systemHeaders[i];
                headers[i] = new CXUnsavedFile
                {
                    FileName = Utf8($"{HeaderFolder}/{name}"),
                    Contents = Utf8(text),
                    Length = (nuint)Encoding.UTF8.GetByteCount(text),
                };
            }

            return clang_parseTranslationUnit2(index, path, arguments, _arguments.Length, headers, (uint)_systemHeaders.Length, DetailedPreprocessingRecord, out unit);
        }
        finally
        {
            allocations.ForEach(static p => Utf8StringMarshaller.Free((byte*)p));
        }
    }

    private void ThrowOnErrors(string path)
    {
        var errors = new List<string>();
        for (uint i = 0; i < clang_getNumDiagnostics(_unit); i++)
        {
            nint diagnostic = clang_getDiagnostic(_unit, i);
            if (clang_getDiagnosticSeverity(diagnostic) >= SeverityError)
            {
                errors.Add(Text(clang_formatDiagnostic(diagnostic, clang_defaultDiagnosticDisplayOptions())) ?? string.Empty);
            }

            clang_disposeDiagnostic(diagnostic);
        }

        if (errors.Count > 0)
        {
            throw new HeaderException($"{path} is not valid C:{Environment.NewLine}{string.Join(Environment.NewLine, errors)}");
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Collect(CXCursor cursor, CXCursor parent, void* clientData)
    {
        ((List<CXCursor>)GCHandle.FromIntPtr((nint)clientData).Target!).Add(cursor);
        return VisitContinue;
    }
}

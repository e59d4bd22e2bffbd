namespace NativeQuant.Bindings.Tests;

/// <summary>Headers of a few lines, written for one test.</summary>
internal static class SmallHeader
{
    private const string Prologue = """
        #include <stddef.h>
        #include <stdint.h>
        #define NQ_OUT __attribute__((annotate("nq:out")))
        #define NQ_OWNED __attribute__((annotate("nq:owned")))
        #define NQ_NULLABLE __attribute__((annotate("nq:nullable")))
        #define NQ_SPAN(count) __attribute__((annotate("nq:span:" #count)))
        typedef struct nq_thing nq_thing;
        typedef enum nq_status { NQ_STATUS_OK = 0, NQ_STATUS_BAD = 1 } nq_status;

        """;

    internal static int PrologueLines { get; } = Prologue.Count(static c => c == '\n');

    /// <summary>Parses declarations that may use the annotations, nq_thing (a handle) and nq_status.</summary>
    internal static HeaderModel Parse(string declarations)
    {
        Requires.Libclang();
        using var folder = new TemporaryFolder();
        return new LibclangHeaderParser().Parse(folder.Write("small.h", Prologue + declarations));
    }

    /// <summary>The C# of the one function that the declarations hold.</summary>
    internal static string EmitFunctions(string declarations) => CSharpEmitter.Emit(Parse(declarations))["NativeMethods.Functions.g.cs"];

    /// <summary>The error that declarations lead to, when parsed or when emitted.</summary>
    internal static string ErrorOf(string declarations)
    {
        Requires.Libclang();
        return Assert.Throws<HeaderException>(() => CSharpEmitter.Emit(Parse(declarations)))!.Message;
    }
}

namespace NativeQuant.Bindings.Tests;

public class EmitterTests
{
    private const string Pair = "typedef struct nq_pair { int32_t a; float b; } nq_pair;\n";

    [TestCase("nq_thing* thing", "SafeThingHandle thing")]
    [TestCase("nq_thing** NQ_OUT NQ_OWNED thing", "out SafeThingHandle thing")]
    [TestCase("nq_thing* NQ_NULLABLE thing", "nint thing")]
    [TestCase("const nq_pair* pair", "in NqPair pair")]
    [TestCase("const nq_pair* NQ_NULLABLE pair", "NqPair* pair")]
    [TestCase("nq_pair* NQ_OUT pair", "out NqPair pair")]
    [TestCase("nq_pair* pair", "ref NqPair pair")]
    [TestCase("uint64_t* NQ_OUT total_bytes", "out ulong totalBytes")]
    [TestCase("nq_status* NQ_OUT status", "out NqStatus status")]
    [TestCase("const float* NQ_SPAN(n) in", "ReadOnlySpan<float> @in")]
    [TestCase("int8_t* NQ_OUT NQ_SPAN(16) codes", "Span<sbyte> codes")]
    [TestCase("const void* NQ_SPAN(bytes) source", "void* source")]
    [TestCase("const char* name", "string name")]
    [TestCase("const char* NQ_NULLABLE name", "string? name")]
    [TestCase("size_t size", "nuint size")]
    [TestCase("uint8_t a, int16_t b, uint16_t c, int32_t d, uint32_t e, int64_t f, double g", "byte a, short b, ushort c, int d, uint e, long f, double g")]
    public void Each_kind_of_parameter_has_its_managed_type(string c, string managed)
    {
        string text = SmallHeader.EmitFunctions($"{Pair}nq_status nq_f({c});");

        Assert.That(text, Does.Contain($"    internal static partial NqStatus nq_f({managed});\n"));
    }

    [TestCase("void", "void")]
    [TestCase("const char*", "byte*")]
    [TestCase("uint32_t", "uint")]
    public void Each_kind_of_result_has_its_managed_type(string c, string managed)
    {
        Assert.That(SmallHeader.EmitFunctions($"{c} nq_f(void);"), Does.Contain($"internal static partial {managed} nq_f();"));
    }

    [Test]
    public void A_function_is_imported_with_the_C_calling_convention()
    {
        Assert.That(SmallHeader.EmitFunctions("void nq_f(int32_t x);"), Does.Contain(
            """
                [LibraryImport(Library)]
                [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
                internal static partial void nq_f(int x);

            """));
    }

    [Test]
    public void Strings_go_out_as_UTF8()
    {
        Assert.That(SmallHeader.EmitFunctions("void nq_f(const char* x);"), Does.Contain("[LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]"));
    }

    [Test]
    public void A_destroy_function_takes_the_raw_handle()
    {
        Assert.That(SmallHeader.EmitFunctions("nq_status nq_thing_destroy(nq_thing* thing);"), Does.Contain("nq_thing_destroy(nint thing);"));
    }

    [Test]
    public void A_span_documents_the_length_that_the_library_takes_for_granted()
    {
        string text = SmallHeader.EmitFunctions("/** Reads. */\nvoid nq_f(float* NQ_OUT NQ_SPAN(n) x, void* NQ_SPAN(2 * n) y, uint32_t n);");

        Assert.That(text, Does.Contain("/// <param name=\"x\"><paramref name=\"n\"/> elements.</param>"));
        Assert.That(text, Does.Contain("/// <param name=\"y\"><c>2 * n</c> bytes.</param>"));
    }

    [Test]
    public void Enumerations_lose_the_words_that_all_members_share()
    {
        Assert.That(ManagedName.EnumMembers(["NQ_STATUS_OK", "NQ_STATUS_OUT_OF_MEMORY"]), Is.EqualTo(new[] { "Ok", "OutOfMemory" }));
        Assert.That(ManagedName.EnumMembers(["NQ_MATRIX_DENSE", "NQ_MATRIX_4BIT"]), Is.EqualTo(new[] { "Dense", "Matrix4Bit" }));
        Assert.That(ManagedName.EnumMembers(["NQ_DTYPE_BF16", "NQ_DTYPE_U8"]), Is.EqualTo(new[] { "Bf16", "U8" }));
        Assert.That(ManagedName.EnumMembers(["NQ_ONLY"]), Is.EqualTo(new[] { "Only" }));
    }

    [TestCase("nq_matrix4bit_storage", "NqMatrix4BitStorage")]
    [TestCase("nq_cpu_implementation", "NqCpuImplementation")]
    public void Types_are_in_Pascal_case(string c, string managed)
    {
        Assert.That(ManagedName.Type(c), Is.EqualTo(managed));
    }

    [Test]
    public void An_enumeration_that_does_not_fit_int_says_so()
    {
        string text = CSharpEmitter.Emit(SmallHeader.Parse("typedef enum nq_big { NQ_BIG_A = 0xffffffff } nq_big;"))["NativeEnums.g.cs"];

        Assert.That(text, Does.Contain("internal enum NqBig : uint\n").And.Contain("A = 4294967295,"));
    }
}

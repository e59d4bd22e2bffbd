namespace NativeQuant.Bindings.Tests;

public class HeaderParserTests
{
    [Test]
    public void Enumerators_have_the_values_that_C_gives_them()
    {
        EnumModel model = SmallHeader.Parse("""
            typedef enum nq_flag { NQ_FLAG_A = 1 << 4, NQ_FLAG_B, NQ_FLAG_C = NQ_FLAG_A | 3, NQ_FLAG_D = -2, NQ_FLAG_E = 0x7fffffff } nq_flag;
            """).Enums[^1];

        Assert.That(model.Name, Is.EqualTo("nq_flag"));
        Assert.That(model.Members.Select(m => (m.Name, m.Value)), Is.EqualTo(new[]
        {
            ("NQ_FLAG_A", 16L), ("NQ_FLAG_B", 17L), ("NQ_FLAG_C", 19L), ("NQ_FLAG_D", -2L), ("NQ_FLAG_E", 2147483647L),
        }));
    }

    [Test]
    public void A_struct_without_a_definition_is_a_handle()
    {
        HeaderModel model = SmallHeader.Parse("""
            /** A widget. */
            typedef struct nq_widget nq_widget;
            """);

        Assert.That(model.Handles.Select(h => h.Name), Is.EqualTo(new[] { "nq_thing", "nq_widget" }));
        Assert.That(model.Handles[1].Comment, Is.EqualTo("/** A widget. */"));
        Assert.That(model.Structs, Is.Empty);
    }

    [Test]
    public void Fields_carry_offset_type_and_comment()
    {
        StructModel model = SmallHeader.Parse("""
            typedef struct nq_view {
                /** First. */
                uint8_t small;
                uint64_t large;
                const char* text;
                nq_thing* owner;
                float number;
            } nq_view;
            """).Structs.Single();

        Assert.That((model.Name, model.Size, model.Alignment), Is.EqualTo(("nq_view", 40, 8)));
        Assert.That(model.Fields.Select(f => (f.Name, f.Offset)), Is.EqualTo(new[]
        {
            ("small", 0), ("large", 8), ("text", 16), ("owner", 24), ("number", 32),
        }));
        Assert.That(model.Fields[0].Comment, Is.EqualTo("/** First. */"));
        Assert.That(model.Fields[1].Type, Is.EqualTo(new CType(CTypeKind.UInt64)));
        Assert.That(model.Fields[2].Type, Is.EqualTo(new CType(CTypeKind.Pointer, Pointee: new CType(CTypeKind.Char, IsConst: true))));
        Assert.That(model.Fields[3].Type.Pointee, Is.EqualTo(new CType(CTypeKind.Handle, Name: "nq_thing")));
    }

    [Test]
    public void Annotations_are_read_in_every_combination()
    {
        FunctionModel model = SmallHeader.Parse("""
            nq_status nq_make(const void* NQ_SPAN(bytes) source, uint64_t bytes, float* NQ_OUT NQ_SPAN(16) values,
                              const char* NQ_NULLABLE name, uint8_t* NQ_SPAN(rows * (columns + 1)) block, nq_thing** NQ_OUT NQ_OWNED thing);
            """).Functions.Single();

        Assert.That(model.Parameters.Select(p => (p.Name, p.IsOut, p.IsOwned, p.IsNullable, p.SpanCount)), Is.EqualTo(new (string, bool, bool, bool, string?)[]
        {
            ("source", false, false, false, "bytes"),
            ("bytes", false, false, false, null),
            ("values", true, false, false, "16"),
            ("name", false, false, true, null),
            ("block", false, false, false, "rows * (columns + 1)"),
            ("thing", true, true, false, null),
        }));
    }

    [Test]
    public void Functions_know_the_section_they_stand_in()
    {
        HeaderModel model = SmallHeader.Parse("""
            uint32_t nq_first(void);
            /* ---- Linear layers ------------------------- */
            uint32_t nq_second(void);
            """);

        Assert.That(model.Functions.Select(f => (f.Name, f.Section)), Is.EqualTo(new[] { ("nq_first", ""), ("nq_second", "Linear layers") }));
    }

    [Test]
    public void Only_macros_that_are_one_integer_are_constants()
    {
        HeaderModel model = SmallHeader.Parse("""
            #define NQ_LIMIT 42
            #define NQ_EMPTY
            #define NQ_SUM 1 + 2
            #define NQ_CALL(x) 3
            #define NQ_TEXT "7"
            """);

        Assert.That(model.Constants, Is.EqualTo(new[] { new ConstantModel("NQ_LIMIT", 42) }));
    }

    [Test]
    public void Declarations_of_included_headers_are_left_out()
    {
        Requires.Libclang();
        using var folder = new TemporaryFolder();
        folder.Write("other.h", "enum nq_other { NQ_OTHER_A };\nvoid nq_elsewhere(void);\n");
        string path = folder.Write("main.h", "#include \"other.h\"\nvoid nq_here(enum nq_other value);\n");

        HeaderModel model = new LibclangHeaderParser().Parse(path);

        Assert.That(model.Functions.Select(f => f.Name), Is.EqualTo(new[] { "nq_here" }));
        Assert.That(model.Enums, Is.Empty);
    }

    [Test]
    public void A_path_outside_ASCII_is_read()
    {
        Requires.Libclang();
        using var folder = new TemporaryFolder();
        string path = folder.Write("模型/kopf-ä.h", "void nq_here(void);\n");

        Assert.That(new LibclangHeaderParser().Parse(path).Functions, Has.Count.EqualTo(1));
    }
}

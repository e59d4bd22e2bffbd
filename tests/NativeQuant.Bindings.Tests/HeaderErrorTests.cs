namespace NativeQuant.Bindings.Tests;

/// <summary>What the generator cannot map must stop it with words that lead to the line, never give wrong bindings.</summary>
public class HeaderErrorTests
{
    [Test]
    public void A_broken_header_lists_every_diagnostic()
    {
        string message = SmallHeader.ErrorOf("nq_status nq_a(unknown_type x);\nnq_status nq_b(int32_t;\n");

        Assert.That(message, Does.Contain("small.h is not valid C"));
        Assert.That(message, Does.Contain($"small.h:{SmallHeader.PrologueLines + 1}:").And.Contain("unknown type name 'unknown_type'"));
        Assert.That(message, Does.Contain($"small.h:{SmallHeader.PrologueLines + 2}:"));
    }

    [Test]
    public void A_missing_include_is_an_error()
    {
        Assert.That(SmallHeader.ErrorOf("#include <stdio.h>\n"), Does.Contain("'stdio.h' file not found"));
    }

    [Test]
    public void A_missing_header_is_an_error()
    {
        Requires.Libclang();

        Assert.That(() => new LibclangHeaderParser().Parse("/nowhere/absent.h"), Throws.TypeOf<HeaderException>().With.Message.Contains("/nowhere/absent.h"));
    }

    [TestCase("union nq_either { int32_t a; float b; };", "nq_either", "UnionDecl")]
    [TestCase("extern int32_t nq_global;", "nq_global", "VarDecl")]
    [TestCase("typedef uint32_t nq_id;", "nq_id", "typedef that is not of a struct or enum of the same name")]
    [TestCase("typedef void (*nq_callback)(int32_t value);", "nq_callback", "typedef that is not of a struct or enum of the same name")]
    [TestCase("typedef struct { int32_t a; } nq_unnamed;", "", "struct without a name")]
    [TestCase("enum { NQ_LOOSE = 1 };", "", "enum without a name")]
    [TestCase("nq_status nq_print(const char* format, ...);", "nq_print", "variadic function")]
    [TestCase("struct nq_bits { uint32_t a : 3; };", "a", "bit-field in struct nq_bits")]
    [TestCase("struct nq_array { uint32_t a[4]; };", "a", "type uint32_t[4]")]
    [TestCase("struct nq_nested { struct { int32_t x; } inner; };", "", "StructDecl in struct nq_nested")]
    [TestCase("unsigned long nq_long(void);", "nq_long", "type unsigned long")]
    [TestCase("void nq_wide(__int128 value);", "value", "type __int128")]
    [TestCase("void nq_call(void (*function)(void));", "function", "type void (void)")]
    [TestCase("void nq_odd(float* __attribute__((annotate(\"nq:inout\"))) value);", "value", "annotation nq:inout")]
    public void An_unknown_construct_is_named_with_its_line(string declaration, string name, string construct)
    {
        string message = SmallHeader.ErrorOf(declaration + "\n");

        Assert.That(message, Does.Contain($"small.h:{SmallHeader.PrologueLines + 1}: '{name}'"));
        Assert.That(message, Does.Contain($"no mapping for this {construct}."));
    }

    [TestCase("nq_status nq_f(const float* values);", "values", "a pointer to numbers without NQ_OUT or NQ_SPAN")]
    [TestCase("nq_status nq_f(const void* data);", "data", "a void pointer without NQ_SPAN")]
    [TestCase("nq_status nq_f(nq_thing** things);", "things", "a pointer to a pointer that is not NQ_OUT NQ_OWNED of a handle")]
    [TestCase("nq_status nq_f(float** NQ_OUT values);", "values", "a pointer to a pointer that is not NQ_OUT NQ_OWNED of a handle")]
    [TestCase("typedef struct nq_pair { int32_t a, b; } nq_pair; nq_status nq_f(nq_pair pair);", "pair", "a structure by value")]
    public void A_pointer_whose_meaning_is_not_annotated_is_refused(string declaration, string parameter, string what)
    {
        Assert.That(SmallHeader.ErrorOf(declaration), Is.EqualTo($"nq_f: parameter '{parameter}' is {what}; the generator has no mapping for that."));
    }

    [TestCase("struct nq_deep { float** rows; };", "nq_deep: field 'rows' is a pointer to a pointer")]
    [TestCase("const char** nq_names(void);", "nq_names: it returns a pointer to a pointer")]
    public void A_pointer_to_a_pointer_is_refused_elsewhere_too(string declaration, string what)
    {
        Assert.That(SmallHeader.ErrorOf(declaration), Is.EqualTo($"{what}; the generator has no mapping for that."));
    }

    [Test]
    public void A_comment_on_a_parameter_that_does_not_exist_is_refused()
    {
        string message = SmallHeader.ErrorOf("/** Does.\n * @param colour of it. */\nnq_status nq_paint(int32_t color);");

        Assert.That(message, Is.EqualTo("nq_paint: the comment describes a parameter 'colour', which the function does not have."));
    }
}

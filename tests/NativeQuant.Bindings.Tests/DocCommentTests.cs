namespace NativeQuant.Bindings.Tests;

public class DocCommentTests
{
    [Test]
    public void The_first_sentence_is_the_summary_and_the_rest_are_remarks()
    {
        DocComment comment = DocComment.Parse("/** Opens a thing, e.g. a door. It may\n * squeak. Values in [0, ...] are fine. */")!;

        Assert.That(comment.Summary, Is.EqualTo("Opens a thing, e.g. a door."));
        Assert.That(comment.Remarks, Is.EqualTo("It may squeak. Values in [0, ...] are fine."));
    }

    [Test]
    public void A_parameter_ends_with_its_line_or_at_the_next_one()
    {
        DocComment comment = DocComment.Parse("""
            /** Adds.
             * @param x f32 [T, C]. @param y f32.
             * @param keys, values i8.
             * Fails if sad. */
            """)!;

        Assert.That(comment.Parameters, Is.EquivalentTo(new Dictionary<string, string>
        {
            ["x"] = "f32 [T, C].",
            ["y"] = "f32.",
            ["keys"] = "i8.",
            ["values"] = "i8.",
        }));
        Assert.That(comment.Remarks, Is.EqualTo("Fails if sad."));
    }

    [Test]
    public void A_source_after_a_parameter_belongs_to_the_remarks()
    {
        DocComment comment = DocComment.Parse("/** Norm. @param y result. Source: arXiv 1910.07467. */")!;

        Assert.That(comment.Parameters["y"], Is.EqualTo("result."));
        Assert.That(comment.Remarks, Is.EqualTo("Source: arXiv 1910.07467."));
    }

    [Test]
    public void XML_is_escaped_and_backticks_become_references_or_code()
    {
        DocComment comment = DocComment.Parse("/** Needs a < b && c > 0 of `row_count`, see `sizeof(T<int>)`.\n * @param row_count \"rows\" & more. */")!;
        var writer = new IndentedWriter();

        comment.Write(writer, ["row_count"]);

        Assert.That(writer.ToString(), Is.EqualTo("""
            /// <summary>Needs a &lt; b &amp;&amp; c &gt; 0 of <paramref name="rowCount"/>, see <c>sizeof(T&lt;int&gt;)</c>.</summary>
            /// <param name="rowCount">"rows" &amp; more.</param>

            """));
    }

    [Test]
    public void Long_text_is_wrapped_without_losing_a_word()
    {
        string text = string.Join(' ', Enumerable.Range(0, 200).Select(i => $"`word{i} x`"));
        var writer = new IndentedWriter();

        DocComment.Parse($"/** {text} */")!.Write(writer, []);

        string[] lines = writer.ToString().TrimEnd('\n').Split('\n');
        Assert.That(lines, Has.All.StartsWith("/// ").And.All.Length.LessThanOrEqualTo(150));
        string joined = string.Join(' ', lines[1..^1].Select(line => line["/// ".Length..]));
        Assert.That(joined.Replace("<c>", "`").Replace("</c>", "`"), Is.EqualTo(text));
    }

    [Test]
    public void No_comment_gives_none()
    {
        Assert.That(DocComment.Parse(null), Is.Null);
    }
}

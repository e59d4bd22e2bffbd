namespace NativeQuant.Models.Tokenizers;

/// <summary>Special tokens before and after the text, as the file's <c>single</c> template lists them.</summary>
internal sealed class TemplatePostProcessor(IReadOnlyList<int?> parts) : PostProcessor
{
    public static TemplatePostProcessor Read(ComponentFields fields)
    {
        ComponentFields specialTokens = fields.Fields("special_tokens");
        var parts = new List<int?>();
        foreach (ComponentFields piece in fields.Objects("single"))
        {
            if (piece.Has("Sequence"))
            {
                ComponentFields sequence = piece.Fields("Sequence");
                string id = sequence.String("id");
                parts.Add(id == "A" ? null : throw TokenizerFormatException.Expected($"{sequence.Path}.id", "'A', the only text of a single template", $"'{id}'"));
                continue;
            }

            ComponentFields special = piece.Fields("SpecialToken");
            string token = special.String("id");
            if (!specialTokens.Has(token))
            {
                throw TokenizerFormatException.At($"{special.Path}.id", $"the token '{token}' is not among special_tokens");
            }

            parts.AddRange(specialTokens.Fields(token).Integers("ids").Select(id => (int?)id));
        }

        return new TemplatePostProcessor(parts);
    }

    public override void Apply(EncodedText text) => text.Arrange(parts);
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>One token before and one after: the BERT and RoBERTa post-processors.</summary>
internal sealed class EnclosingPostProcessor(int first, int last) : PostProcessor
{
    public static EnclosingPostProcessor Read(ComponentFields fields) => new(fields.TokenAndId("cls"), fields.TokenAndId("sep"));

    public override void Apply(EncodedText text) => text.Arrange([first, null, last]);
}

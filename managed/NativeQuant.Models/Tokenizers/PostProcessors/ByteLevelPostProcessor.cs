namespace NativeQuant.Models.Tokenizers;

/// <summary>Adds nothing: in the reference it only trims spaces off the reported offsets, while ours always cover all of the text.</summary>
internal sealed class ByteLevelPostProcessor : PostProcessor
{
    public override void Apply(EncodedText text)
    {
    }
}

namespace NativeQuant.Models.Tokenizers;

/// <summary>Several post-processors, one after the other.</summary>
internal sealed class SequencePostProcessor(IReadOnlyList<PostProcessor> parts) : PostProcessor
{
    public static SequencePostProcessor Read(ComponentFields fields) => new([.. fields.Objects("processors").Select(ComponentRegistry.PostProcessor)]);

    public override void Apply(EncodedText text)
    {
        foreach (PostProcessor part in parts)
        {
            part.Apply(text);
        }
    }
}

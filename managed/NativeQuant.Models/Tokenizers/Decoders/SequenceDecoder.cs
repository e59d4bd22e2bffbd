namespace NativeQuant.Models.Tokenizers;

/// <summary>Several decoders, one after the other.</summary>
internal sealed class SequenceDecoder(IReadOnlyList<Decoder> parts) : Decoder
{
    public static SequenceDecoder Read(ComponentFields fields) => new([.. fields.Objects("decoders").Select(ComponentRegistry.Decoder)]);

    public override DecoderStage CreateStage(DecoderStage next) => parts.Reverse().Aggregate(next, (stage, part) => part.CreateStage(stage));
}

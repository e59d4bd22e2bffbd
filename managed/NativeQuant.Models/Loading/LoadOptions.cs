namespace NativeQuant.Models;

/// <summary>How <see cref="CausalLM.Load"/> loads a model. Immutable.</summary>
public sealed record LoadOptions
{
    /// <summary>Device that holds and runs the model. Null (default): a CPU device that the model opens and disposes. A device given here stays the caller's.</summary>
    public Device? Device { get; init; }

    /// <summary>
    /// Quantize while loading. Null (default): as the folder says, which for a folder without <c>quantization_config</c> means not at all.
    /// For a folder whose weights are already quantized, the same format may be given, to choose another compute type or threshold.
    /// </summary>
    public QuantizationConfig? Quantization { get; init; }

    /// <summary>
    /// Type in which unquantized weights (embedding, norms, biases, skipped modules; all weights of an unquantized model) are held:
    /// f32, f16 or bf16. Null (default): the type each is stored in. Quantized weights are always quantized from their stored values.
    /// </summary>
    public DataType? DataType { get; init; }

    /// <summary>
    /// Run 4-bit layers with int8 activations, whatever compute type the folder or <see cref="Quantization"/> names: faster, and an
    /// approximation (see the remarks of <see cref="Linear4Bit"/>). Default false. No part of the model: it is not saved, for transformers
    /// has no such setting.
    /// </summary>
    public bool Int8Activations { get; init; }

    /// <summary>
    /// Type in which sessions hold keys and values, unless <see cref="CausalLM.CreateSession"/> is told another: f32 (default), bf16 (half the
    /// memory) or int8 (a little over a quarter). The narrow ones round; see <see cref="KvCache"/> for by how much.
    /// </summary>
    public DataType KvCacheType { get; init; } = NativeQuant.DataType.Float32;

    /// <summary>
    /// Run the output head from int8 weights, one absmax per row (<see cref="Linear8Bit"/> with the threshold of <see cref="Quantization"/>,
    /// by default 6), where it would be unquantized: in a small model it is much of what a token reads from memory, and this halves it. An
    /// approximation. A head of its own takes half the memory; one tied to the embedding costs an int8 copy, as the embedding stays for
    /// looking tokens up. Default false. No part of the model: saving writes the head as the folder loaded from holds it, which must still
    /// be there.
    /// </summary>
    public bool Int8Head { get; init; }

    /// <summary>Read tokenizer.json if the folder has one. Default true. Without it a model takes and gives token ids only.</summary>
    public bool LoadTokenizer { get; init; } = true;
}

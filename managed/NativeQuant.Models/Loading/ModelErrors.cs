using System.Diagnostics.CodeAnalysis;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>Every exception of loading, running and saving a model, so that each message is written once and names what, expected and got.</summary>
[SuppressMessage("Usage", "CA2208", Justification = "The parameters named are those of the public members that throw.")]
internal static class ModelErrors
{
    public static NotSupportedException UnknownArchitecture(string got, IReadOnlyList<string> known) =>
        new($"architectures in config.json: expected one of {string.Join(", ", known)}; got {got}.");

    public static NotSupportedException UnsupportedConfiguration(string name, string expected, object? got) =>
        new($"{name} in config.json: expected {expected}; got {got ?? "nothing"}.");

    public static NotSupportedException UnsupportedQuantization(string name, string reason) =>
        new($"{name} is not supported: {reason}.");

    public static ArgumentException QuantizationConflict(string folder, string expected, string got) =>
        new($"Quantization asked for: expected {expected}, as the weights in '{folder}' are already quantized; got {got}. Leave LoadOptions.Quantization null, or load the unquantized model.", "options");

    public static ArgumentException NoLayersForInt8Activations(string folder) =>
        new($"LoadOptions.Int8Activations: expected a model quantized to 4 bits; got '{folder}' without. Ask for 4 bits in LoadOptions.Quantization, or leave Int8Activations false.", "options");

    public static ArgumentException InvalidSkipModule(string entry, Exception cause) =>
        new($"LlmInt8SkipModules: expected regular expressions or module names; got '{entry}': {cause.Message}", "options", cause);

    public static ArgumentException InvalidWeightType(DataType got) =>
        new($"LoadOptions.DataType: expected Float32, Float16 or BFloat16; got {got}.", "options");

    public static ArgumentException InvalidKvCacheType(DataType got, string parameter) =>
        new($"Type of the KV cache: expected Float32, BFloat16 or Int8; got {got}.", parameter);

    public static CheckpointException MissingTensor(string folder, string name, IReadOnlyList<long> shape) =>
        new(folder, name, $"a tensor of shape {Shape(shape)}, which config.json calls for", "no such tensor");

    public static CheckpointException WrongShape(string folder, string name, IReadOnlyList<long> expected, IReadOnlyList<long> got) =>
        new(folder, name, $"shape {Shape(expected)}, which config.json calls for", $"shape {Shape(got)}");

    public static CheckpointException WrongElementType(string folder, string name, string expected, string got) =>
        new(folder, name, $"element type {expected}", got);

    public static CheckpointException UnexpectedTensors(string folder, IReadOnlyList<string> names) =>
        new(folder, names[0], "only tensors that config.json calls for", names.Count == 1 ? "this one besides" : $"this one and {names.Count - 1} more besides");

    public static CheckpointException NoQuantizedWeights(string folder) =>
        new(folder, "quantization_config in config.json", "quantized weights in the checkpoint", "none");

    public static CheckpointException InvalidWeights(string folder, string name, Exception cause) =>
        new(folder, name, "finite weights", cause.Message, cause);

    public static ArgumentException OptionOutOfRange(string type, string name, string expected, object got) =>
        new(FormattableString.Invariant($"{type}.{name}: expected {expected}; got {got}."), "options");

    public static ArgumentException EmptyPrompt(string parameter) =>
        new("The prompt: expected at least one token; got none.", parameter);

    public static ArgumentException PromptTooLong(int capacity, int position, int got, string parameter) =>
        new(position == 0
            ? $"The prompt: expected at most {capacity} tokens, the capacity of the session; got {got}."
            : $"The prompt: expected at most {capacity - position} tokens, what is left of the session's {capacity} after {position}; got {got}.", parameter);

    public static ArgumentException TokenOutOfRange(int index, int got, int vocabulary, string parameter) =>
        new($"Token {index}: expected an id from 0 to {vocabulary - 1}; got {got}.", parameter);

    public static ArgumentException WrongLength(string what, long expected, long got, string parameter) =>
        new($"{what}: expected {expected} elements; got {got}.", parameter);

    public static ArgumentOutOfRangeException CapacityOutOfRange(int contextLength, int got) =>
        new("capacity", got, $"The capacity of a session: expected 1 to {contextLength}, the context length of the model; got {got}.");

    public static ArgumentOutOfRangeException LengthOutOfRange(int position, int got) =>
        new("length", got, $"Truncate: expected 0 to {position}, the positions the session holds; got {got}.");

    public static InvalidOperationException NoTokenizer(string need) =>
        new($"{need} needs a tokenizer; this model was loaded without one.");

    public static InvalidOperationException SessionBusy() =>
        new("The session is in use: expected one call at a time; got a call while a generation or another call runs. Use one session per conversation.");

    public static ArgumentException TextTooShort(int window, int got, string parameter) =>
        new($"The text: expected at least {window} tokens, one window; got {got}.", parameter);

    public static NotSupportedException NoBosToken() =>
        new("Perplexity: expected a bos_token_id or eos_token_id in config.json or generation_config.json to begin each window with; got neither.");

    public static InvalidLogitsException InvalidLogit(int position, int id, float got) =>
        new(FormattableString.Invariant($"Logits after position {position}: expected finite numbers; got {got} for token {id}. The weights are damaged, or an activation overflowed."));

    private static string Shape(IReadOnlyList<long> shape) => $"[{string.Join(", ", shape)}]";
}

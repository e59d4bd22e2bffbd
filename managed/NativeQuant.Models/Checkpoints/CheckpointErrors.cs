using System.Globalization;
using System.Text;

namespace NativeQuant.Models.Checkpoints;

/// <summary>Builds every exception of this folder, so that no message text stands at a throw site.</summary>
internal static class CheckpointErrors
{
    private const int LongestQuote = 96;

    public static CheckpointException FileNotReadable(string path, Exception cause) =>
        new(path, "file", "a readable safetensors file", cause.Message, cause);

    public static CheckpointException FileTooShort(string path, long length) =>
        new(path, "file size", $"at least {SafetensorsHeader.PrefixBytes} bytes (the header length)", Bytes(length));

    public static CheckpointException HeaderTooLong(string path, ulong length) =>
        new(path, "header length", $"at most {SafetensorsHeader.MaximumBytes} bytes", Bytes(length));

    public static CheckpointException HeaderBeyondFile(string path, ulong length, long fileLength) =>
        new(path, "header length", $"at most {fileLength - SafetensorsHeader.PrefixBytes} bytes, what is left of the file", Bytes(length));

    public static CheckpointException HeaderNotUtf8(string path) =>
        new(path, "header", "UTF-8 text", "bytes that are not UTF-8");

    public static CheckpointException HeaderNotJson(string path, Exception cause) =>
        new(path, "header", "a JSON object", $"invalid JSON: {cause.Message}", cause);

    public static CheckpointException HeaderWrongToken(string path, string what, string expected, string got) =>
        new(path, what, expected, got);

    public static CheckpointException DuplicateName(string path, string name) =>
        new(path, "header", "every name once", $"{Quote(name)} twice");

    public static CheckpointException MissingField(string path, string tensor, string field) =>
        new(path, $"tensor {Quote(tensor)}", $"the field {Quote(field)}", "no such field");

    public static CheckpointException DuplicateField(string path, string tensor, string field) =>
        new(path, $"tensor {Quote(tensor)}", $"the field {Quote(field)} once", "it twice");

    public static CheckpointException UnknownElementType(string path, string tensor, string got) =>
        new(path, $"dtype of tensor {Quote(tensor)}", $"one of {ElementTypes.KnownNames}", Quote(got));

    public static CheckpointException ShapeOverflows(string path, string tensor, string elementType, ReadOnlySpan<long> shape) =>
        new(path, $"shape of tensor {Quote(tensor)}", "a whole number of bytes below 2^63", $"{elementType} {Shape(shape)}");

    public static CheckpointException OffsetsReversed(string path, string tensor, long begin, long end) =>
        new(path, OffsetsOf(tensor), "begin ≤ end", $"[{begin}, {end}]");

    public static CheckpointException OffsetsBeyondFile(string path, string tensor, long begin, long end, long dataBytes) =>
        new(path, OffsetsOf(tensor), $"an end of at most {dataBytes}, the data bytes in the file", $"[{begin}, {end}]");

    public static CheckpointException OffsetsMisfit(string path, string tensor, string elementType, ReadOnlySpan<long> shape, long expectedBytes, long begin, long end) =>
        new(path, OffsetsOf(tensor), $"{expectedBytes} bytes for {elementType} {Shape(shape)}", $"[{begin}, {end}], {end - begin} bytes");

    public static CheckpointException OffsetsOverlap(string path, string tensor, string previous, long expectedBegin, long begin) =>
        new(path, OffsetsOf(tensor), $"a begin of {expectedBegin}, where tensor {Quote(previous)} ends", $"{begin}: the two overlap");

    public static CheckpointException OffsetsLeaveHole(string path, string tensor, long expectedBegin, long begin) =>
        new(path, OffsetsOf(tensor), $"a begin of {expectedBegin}, where the tensor before it ends", $"{begin}: a hole of {begin - expectedBegin} bytes");

    public static CheckpointException TrailingData(string path, long covered, long dataBytes) =>
        new(path, "data", $"{covered} bytes, all that the tensors cover", $"{dataBytes} bytes");

    public static CheckpointException FileShrank(string path, long opened, long now) =>
        new(path, "file size", $"{opened} bytes, as when it was opened", $"{now} bytes: it was truncated meanwhile");

    public static CheckpointException TensorMissing(string path, string name) =>
        new(path, "checkpoint", $"the tensor {Quote(name)}", "no tensor of that name");

    public static CheckpointException TensorTooLarge(string path, string name, long byteLength) =>
        new(path, $"tensor {Quote(name)}", $"at most {int.MaxValue} bytes to be one span", Bytes(byteLength));

    public static CheckpointException NoHostTensor(string path, string name, string elementType, ReadOnlySpan<long> shape) =>
        new(path, $"tensor {Quote(name)}", "a non-empty tensor of F32, F16, BF16, I8, U8, I32 or U32", $"{elementType} {Shape(shape)}");

    public static CheckpointException FolderMissing(string folder) =>
        new(folder, "folder", "a folder with a Hugging Face model", "no such folder");

    public static CheckpointException FolderNotReadable(string folder, Exception cause) =>
        new(folder, "folder", "a readable folder with a Hugging Face model", cause.Message, cause);

    public static CheckpointException NoWeights(string folder) =>
        new(folder, "folder", $"{Checkpoint.SingleFileName} or {Checkpoint.IndexFileName}", "neither");

    public static CheckpointException PickledWeights(string folder, string file) =>
        new(folder, "folder", $"{Checkpoint.SingleFileName} or {Checkpoint.IndexFileName}",
            $"only {file}, a pickle, which can run code when it is read: convert the model to safetensors first");

    public static CheckpointException IndexNotReadable(string path, Exception cause) =>
        new(path, "shard index", "a readable JSON file", cause.Message, cause);

    public static CheckpointException IndexTooLarge(string path, long length) =>
        new(path, "shard index", $"at most {SafetensorsHeader.MaximumBytes} bytes", Bytes(length));

    public static CheckpointException IndexInvalid(string path, string what, string expected, string got) =>
        new(path, what, expected, got);

    public static CheckpointException ShardOutsideFolder(string path, string tensor, string file) =>
        new(path, $"shard of tensor {Quote(tensor)}", "a file inside the model folder", Quote(file));

    public static CheckpointException ShardMissing(string path, string shard) =>
        new(path, "shard index", $"the file {Quote(shard)} beside it", "no such file");

    public static CheckpointException TensorNotInShard(string path, string tensor, string shard) =>
        new(path, $"tensor {Quote(tensor)}", $"it in {Quote(shard)}, as the index says", "a shard without it");

    public static CheckpointException TensorInTwoShards(string path, string tensor, string first, string second) =>
        new(path, $"tensor {Quote(tensor)}", "it in one shard", $"it in {Quote(first)} and in {Quote(second)}");

    public static CheckpointException WrongTensor(CheckpointTensor tensor, string expected) =>
        new(tensor.FilePath, $"tensor {Quote(tensor.Name)}", expected, $"{tensor.ElementType} {Shape([.. tensor.Shape])}, {Bytes(tensor.ByteLength)}");

    public static CheckpointException NotFinite(CheckpointTensor tensor, int index, float value) =>
        new(tensor.FilePath, $"tensor {Quote(tensor.Name)}", "finite values", string.Create(CultureInfo.InvariantCulture, $"{value} at {index}"));

    public static CheckpointException OtherCodebook(CheckpointTensor tensor, string quantType, int code, float expected, float value) =>
        new(tensor.FilePath, $"tensor {Quote(tensor.Name)}",
            string.Create(CultureInfo.InvariantCulture, $"the codebook of {quantType}, {expected:R} at {code}"),
            string.Create(CultureInfo.InvariantCulture, $"{value:R}"));

    public static CheckpointException QuantStateNotJson(CheckpointTensor tensor, Exception cause) =>
        new(tensor.FilePath, $"tensor {Quote(tensor.Name)}", "a JSON object", $"invalid JSON: {cause.Message}", cause);

    public static CheckpointException QuantStateField(CheckpointTensor tensor, string field, string expected, string got) =>
        new(tensor.FilePath, $"{field} in tensor {Quote(tensor.Name)}", expected, got);

    public static CheckpointException TwoQuantStates(string folder, string module) =>
        new(folder, $"module {Quote(module)}", "one quant_state, of nf4 or of fp4", "both");

    public static ArgumentException UnknownStorageType(string quantStorage, string argument) =>
        new($"{Quote(quantStorage)} is not one of uint8, int8, float16, bfloat16, float32, float64.", argument);

    public static ArgumentException StorageTypeMisfit(string quantStorage, long packedBytes, string argument) =>
        new($"{packedBytes} bytes of packed codes are no whole number of {quantStorage} elements.", argument);

    public static ArgumentException UnwritableStorage(DataType dataType, float nestedOffset, string argument) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Type {dataType} with nested offset {nestedOffset}; expected Float32, Float16 or BFloat16 and a finite offset."), argument);

    public static ArgumentException WrongLength(string array, Int128 expected, long? got) =>
        new($"{array} has {got?.ToString(CultureInfo.InvariantCulture) ?? "no"} elements; expected {expected}.", array);

    public static CheckpointException WriteFailed(string path, Exception cause) =>
        new(path, "writing", "a writable folder with enough space", cause.Message, cause);

    public static CheckpointException OutputExists(string path, string got) =>
        new(path, "output", "a name that is not taken, or an empty folder", got);

    public static ArgumentException ForeignTensor(string tensor, string argument) =>
        new($"Tensor {Quote(tensor)} is not of this checkpoint.", argument);

    public static ArgumentException InvalidDeclaration(string tensor, string reason) =>
        new($"Tensor {Quote(tensor)} cannot be declared: {reason}.", nameof(tensor));

    public static InvalidOperationException DeclaredTooLate(string tensor) =>
        new($"Tensor {Quote(tensor)} was declared after the first data: every tensor is declared before any is written.");

    public static InvalidOperationException WrongOrder(string tensor, string? next) =>
        new($"Tensor {Quote(tensor)} is not the next to be written; {(next is null ? "all are complete" : $"tensor {Quote(next)} is")}.");

    public static ArgumentException TooMuchData(string tensor, long remaining, long got, string argument) =>
        new($"Tensor {Quote(tensor)} has {remaining} bytes left to be written, got {got}.", argument);

    public static InvalidOperationException Incomplete(string tensor, long written, long byteLength) =>
        new($"Tensor {Quote(tensor)} is incomplete: {written} of {byteLength} bytes were written.");

    public static InvalidOperationException AlreadyCommitted(string path) =>
        new($"'{path}' was committed and cannot be written to any more.");

    /// <summary>A name from a file, safe to print: control characters escaped, shortened when long.</summary>
    public static string Quote(string text)
    {
        StringBuilder quoted = new("'");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, LongestQuote)))
        {
            if (char.IsControl(c))
            {
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
            else
            {
                quoted.Append(c);
            }
        }
        return quoted.Append(text.Length > LongestQuote ? "…'" : "'").ToString();
    }

    public static string Shape(ReadOnlySpan<long> shape)
    {
        const int Shown = 8;
        string dimensions = string.Join(", ", shape[..Math.Min(shape.Length, Shown)].ToArray());
        return shape.Length > Shown ? $"[{dimensions}, … {shape.Length} dimensions]" : $"[{dimensions}]";
    }

    private static string OffsetsOf(string tensor) => $"data_offsets of tensor {Quote(tensor)}";

    private static string Bytes(long length) => string.Create(CultureInfo.InvariantCulture, $"{length} bytes");

    private static string Bytes(ulong length) => string.Create(CultureInfo.InvariantCulture, $"{length} bytes");
}

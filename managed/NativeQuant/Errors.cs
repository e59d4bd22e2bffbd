using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using NativeQuant.Interop;

namespace NativeQuant;

// Every exception that this library throws with a text of its own is made here.
internal static class Errors
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ThrowIfFailed(NqStatus status)
    {
        if (status != NqStatus.Ok)
        {
            Throw(status);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ThrowIfDisposed(SafeHandle handle, string type)
    {
        if (handle.IsClosed)
        {
            ThrowDisposed(type);
        }
    }

    public static ArgumentOutOfRangeException UnknownDataType(string argument, DataType value) =>
        new(argument, value, "Not a data type that is known.");

    public static ArgumentException NotFloatingPoint(string argument, DataType value) =>
        new($"{value} is not a floating-point type; expected Float32, Float16 or BFloat16.", argument);

    public static ArgumentException NoComputeType(string argument, DataType value) =>
        new($"4-bit layers do not compute in {value}; expected Float32, Float16, BFloat16 or Int8.", argument);

    public static ArgumentException EmptyValues(string argument) => new("There is nothing to copy; a buffer needs at least one byte.", argument);

    public static ArgumentException NullAddress(string argument) => new("The address is zero: it describes no memory.", argument);

    public static ArgumentException ByteLengthDoesNotFit(string argument, long byteLength, DataType dataType, long rows, long columns) =>
        new($"{byteLength} bytes do not make a {dataType} matrix [{rows}, {columns}], which takes {(UInt128)rows * (ulong)columns * (uint)dataType.ByteSize()} bytes.", argument);

    public static ArgumentException WrongLength(string argument, Int128 expected, long actual) =>
        new($"Has {actual} elements; expected {expected}.", argument);

    public static ArgumentOutOfRangeException RangeOutsideBuffer(string argument, long byteOffset, long byteCount, long byteLength) =>
        new(argument, byteOffset, $"{byteCount} bytes from byte {byteOffset} on do not lie inside a buffer of {byteLength} bytes.");

    public static ArgumentException MisalignedOffset(string argument, long byteOffset, DataType dataType, int elementSize) =>
        new($"Byte {byteOffset} is not the start of a {dataType} element; expected a multiple of {elementSize}.", argument);

    public static ArgumentOutOfRangeException ViewOutsideBuffer(
        DataType dataType, long rows, long columns, long rowStride, long byteOffset, long byteLength) =>
        new(nameof(rows), $"A {dataType} view [{rows}, {columns}] with row stride {rowStride} from byte {byteOffset} on does not lie inside a buffer of {byteLength} bytes.");

    public static ArgumentOutOfRangeException SliceOutsideView(string argument, string dimension, long start, long count, long available) =>
        new(argument, start, $"{count} {dimension} from {start} on do not lie inside a view of {available} {dimension}.");

    public static ArgumentException CannotReshape(in TensorView view, long rows, long columns) =>
        new(view.IsContiguous
            ? $"A view of {(Int128)view.Rows * view.Columns} elements [{view.Rows}, {view.Columns}] cannot become [{rows}, {columns}]."
            : $"Rows of this view are {view.RowStride} elements apart and hold {view.Columns}; only a view without gaps can be reshaped.");

    public static ArgumentException EmptyView(string argument) =>
        new("The view is the default value and views no buffer; make one with DeviceBuffer.View.", argument);

    public static ArgumentException GroupSize(string argument, int most, int layers, int outputs) =>
        new($"A group has {layers} layers and {outputs} outputs, expected 1 to {most} layers and an output for each.", argument);

    public static ArgumentException BiasShape(string argument, in TensorView bias, long outFeatures) =>
        new($"The bias is [{bias.Rows}, {bias.Columns}]; expected one row of {outFeatures} elements, one per output feature.", argument);

    public static ArgumentOutOfRangeException NegativeThreshold(string argument, float threshold) =>
        new(argument, threshold, "The outlier threshold must be 0 (no outliers) or more.");

    public static NotSupportedException LongerThanAnArray(Int128 length) =>
        new($"{length} elements are more than a managed array can hold ({Array.MaxLength}).");

    public static ArgumentException StorageShape(string argument, long rows, long columns) =>
        new($"The storage is [{rows}, {columns}]; expected at least one row and one column.", argument);

    public static ArgumentException StorageBlocksize(string argument, int blocksize, int nestedBlocksize) =>
        new($"The storage has blocksize {blocksize} and nested blocksize {nestedBlocksize}; expected a positive blocksize, and 0 (plain) or more nested.", argument);

    public static ArgumentException StorageArray(string argument, string array, Int128? expected, long? actual) =>
        new($"{array} {(actual is null ? "is missing" : $"has {actual} elements")}; expected {(expected is null ? "none in this format" : $"{expected} elements")}.", argument);

    public static NotSupportedException UnsupportedQuantMethod(string? method) =>
        new($"quantization_config has quant_method \"{method}\"; expected \"bitsandbytes\".");

    public static ArgumentException MissingQuantMethod() =>
        new("quantization_config has neither quant_method nor load_in_8bit or load_in_4bit set; it cannot be told what it configures.");

    public static ArgumentException BothBitWidths() =>
        new("load_in_8bit and load_in_4bit exclude each other; set one of them.");

    public static ArgumentException ConfigValue(string key, string expected, string actual) =>
        new($"quantization_config has {key} = {actual}; expected {expected}.");

    public static NativeLibraryLoadException NativeLibraryNotLoaded(
        string runtimeIdentifier, string fileName, Version wanted, IReadOnlyList<NativeLibraryAttempt> attempts, bool isOverride)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"The native library {fileName} could not be loaded on {runtimeIdentifier}");
        text.Append(CultureInfo.InvariantCulture, $" (interface version wanted: {wanted.Major}.{wanted.Minor} or a later {wanted.Major}.x). Tried:");
        foreach (NativeLibraryAttempt attempt in attempts)
        {
            text.Append("\n  ").Append(attempt);
        }

        string fromSource = $"build the library from source and set {NativeLibraryLoader.PathVariable} to its file or folder.";
        text.Append("\nWhat to do: ");
        text.Append(isOverride
            ? $"let {NativeLibraryLoader.PathVariable} name a {fileName} of this version or a folder that holds one, or unset it to use the one that comes with the package."
            : NativeLibrarySearch.PackagedRuntimes.Contains(runtimeIdentifier)
            ? $"run \"dotnet add package NativeQuant.Runtime.{runtimeIdentifier}\" (and publish with -r {runtimeIdentifier} if you publish), or {fromSource}"
            : $"there is no package for {runtimeIdentifier}, only for {string.Join(", ", NativeLibrarySearch.PackagedRuntimes)}; {fromSource}");
        return new NativeLibraryLoadException(text.ToString())
        {
            RuntimeIdentifier = runtimeIdentifier,
            Attempts = [.. attempts.Select(attempt => attempt.ToString())],
        };
    }

    // The message belongs to this thread's last failing call, so nothing may be called in between.
    [DoesNotReturn]
    private static unsafe void Throw(NqStatus status)
    {
        string message = NativeText.ToManaged(NativeMethods.nq_last_error_message());
        throw status switch
        {
            NqStatus.InvalidArgument or NqStatus.WrongDevice => new ArgumentException(message),
            NqStatus.InvalidHandle => new ObjectDisposedException(objectName: null, message),
            NqStatus.OutOfMemory => new NativeQuantOutOfMemoryException(message),
            NqStatus.DeviceNotAvailable => new DeviceNotAvailableException(message),
            NqStatus.DeviceLost => new DeviceLostException(message),
            NqStatus.Unsupported => new NotSupportedException(message),
            NqStatus.InvalidData => new InvalidWeightsException(message),
            _ => new NativeQuantException($"{NativeText.ToManaged(NativeMethods.nq_status_name(status))}: {message}"),
        };
    }

    [DoesNotReturn]
    private static void ThrowDisposed(string type) => throw new ObjectDisposedException(type);
}

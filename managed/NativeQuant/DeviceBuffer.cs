using System.Runtime.CompilerServices;
using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>A block of device memory, 64-byte aligned and zero-filled at creation.</summary>
/// <remarks>
/// Any thread may use it; the order of concurrent writes to the same bytes is the caller's to arrange. It keeps working when its
/// <see cref="Device"/> is disposed first, and is freed by <see cref="Dispose"/> or, failing that, by the garbage collector.
/// </remarks>
public sealed class DeviceBuffer : IDisposable
{
    /// <summary>Allocates zero-filled memory.</summary>
    /// <param name="device">The device to allocate on.</param>
    /// <param name="byteLength">Number of bytes, at least 1.</param>
    /// <exception cref="ArgumentNullException"><paramref name="device"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="byteLength"/> is less than 1.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public DeviceBuffer(Device device, long byteLength)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(byteLength, 1);
        Errors.ThrowIfFailed(NativeMethods.nq_buffer_create(device.OpenHandle, (ulong)byteLength, out SafeBufferHandle handle));
        if (device.IsHostResident)
        {
            handle.AddMemoryPressure(byteLength);
        }

        Handle = handle;
        Device = device;
        ByteLength = byteLength;
    }

    /// <summary>The device that the memory belongs to.</summary>
    public Device Device { get; }

    /// <summary>Size in bytes.</summary>
    public long ByteLength { get; }

    internal SafeBufferHandle Handle { get; }

    /// <summary>Allocates a buffer and copies values into it.</summary>
    /// <typeparam name="T">Any unmanaged type; its bytes are copied as they are.</typeparam>
    /// <param name="device">The device to allocate on.</param>
    /// <param name="values">At least one value.</param>
    /// <returns>A buffer of exactly the size of <paramref name="values"/>.</returns>
    /// <exception cref="ArgumentException"><paramref name="values"/> is empty.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public static DeviceBuffer From<T>(Device device, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(device);
        if (values.IsEmpty)
        {
            throw Errors.EmptyValues(nameof(values));
        }

        var buffer = new DeviceBuffer(device, (long)values.Length * Unsafe.SizeOf<T>());
        buffer.Write(values);
        return buffer;
    }

    /// <summary>Copies values from host memory into the buffer.</summary>
    /// <typeparam name="T">Any unmanaged type; its bytes are copied as they are.</typeparam>
    /// <param name="source">What to copy; may be empty.</param>
    /// <param name="byteOffset">Where in the buffer to start, in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie inside the buffer.</exception>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public unsafe void Write<T>(ReadOnlySpan<T> source, long byteOffset = 0)
        where T : unmanaged
    {
        long byteCount = (long)source.Length * sizeof(T);
        CheckRange(nameof(byteOffset), byteOffset, byteCount);
        if (byteCount == 0)
        {
            return;
        }

        fixed (T* pointer = source)
        {
            Errors.ThrowIfFailed(NativeMethods.nq_buffer_write(Handle, (ulong)byteOffset, pointer, (ulong)byteCount));
        }
    }

    /// <summary>Copies values from the buffer to host memory.</summary>
    /// <typeparam name="T">Any unmanaged type; its bytes are copied as they are.</typeparam>
    /// <param name="destination">Where to copy to; its length says how much. May be empty.</param>
    /// <param name="byteOffset">Where in the buffer to start, in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie inside the buffer.</exception>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public unsafe void Read<T>(Span<T> destination, long byteOffset = 0)
        where T : unmanaged
    {
        long byteCount = (long)destination.Length * sizeof(T);
        CheckRange(nameof(byteOffset), byteOffset, byteCount);
        if (byteCount == 0)
        {
            return;
        }

        fixed (T* pointer = destination)
        {
            Errors.ThrowIfFailed(NativeMethods.nq_buffer_read(Handle, (ulong)byteOffset, pointer, (ulong)byteCount));
        }
    }

    /// <summary>Copies bytes to a buffer of the same device; the ranges may overlap.</summary>
    /// <param name="destination">The buffer to copy to; may be this one.</param>
    /// <param name="sourceOffset">Where to start reading here, in bytes.</param>
    /// <param name="destinationOffset">Where to start writing there, in bytes.</param>
    /// <param name="byteCount">How many bytes; may be 0.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> belongs to another device.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A range does not lie inside its buffer.</exception>
    /// <exception cref="ObjectDisposedException">One of the buffers was disposed.</exception>
    public void CopyTo(DeviceBuffer destination, long sourceOffset, long destinationOffset, long byteCount)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        CheckRange(nameof(sourceOffset), sourceOffset, byteCount);
        destination.CheckRange(nameof(destinationOffset), destinationOffset, byteCount);
        if (byteCount != 0)
        {
            Errors.ThrowIfFailed(NativeMethods.nq_buffer_copy(Handle, (ulong)sourceOffset, destination.Handle, (ulong)destinationOffset, (ulong)byteCount));
        }
    }

    /// <summary>A row-major view [<paramref name="rows"/>, <paramref name="columns"/>] of this buffer. Nothing is copied.</summary>
    /// <param name="dataType">Element type.</param>
    /// <param name="rows">Number of rows; a vector is a view of one row.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="byteOffset">Bytes from the start of the buffer to element (0, 0); a multiple of the element size.</param>
    /// <param name="rowStride">Elements from one row to the next, at least <paramref name="columns"/>; <see langword="null"/>: rows lie back to back.</param>
    /// <returns>The view. It does not own the buffer.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range, or the view does not fit in the buffer.</exception>
    /// <exception cref="ArgumentException"><paramref name="byteOffset"/> is not a multiple of the element size.</exception>
    public TensorView View(DataType dataType, long rows, long columns, long byteOffset = 0, long? rowStride = null) =>
        new(this, dataType, rows, columns, byteOffset, rowStride ?? columns);

    /// <summary>Frees the memory. May be called any number of times and from any thread; an operation under way finishes first.</summary>
    public void Dispose() => Handle.Dispose();

    private void CheckRange(string argument, long byteOffset, long byteCount)
    {
        Errors.ThrowIfDisposed(Handle, nameof(DeviceBuffer));
        if (byteOffset < 0 || byteOffset > ByteLength || byteCount > ByteLength - byteOffset)
        {
            throw Errors.RangeOutsideBuffer(argument, byteOffset, byteCount, ByteLength);
        }
    }
}

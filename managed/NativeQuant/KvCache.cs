using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>Keys and values of one sequence, for every layer of a model. Memory is taken as positions are appended, in pages of 64.</summary>
/// <remarks>One thread at a time. Keeps working when its <see cref="Device"/> is disposed first.</remarks>
public sealed class KvCache : IDisposable
{
    /// <summary>Makes an empty cache.</summary>
    /// <param name="device">The device that holds it.</param>
    /// <param name="layers">Layers of the model, at least 1.</param>
    /// <param name="kvHeads">Key/value heads of a layer, at least 1.</param>
    /// <param name="headDim">Elements of a head, at least 1.</param>
    /// <param name="capacity">Most positions it may hold, at least 1.</param>
    /// <param name="dataType">
    /// Type of the keys and values held: float32; bfloat16 (each rounded once, half the memory); or int8 (per position and head, keys and
    /// values apart, codes of absmax / 127: an error of at most absmax / 254, 0.6 % of the norm for normally distributed heads of 64, a little
    /// over a quarter of the memory). Attention is computed in float32 from what is held.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A number is less than 1.</exception>
    /// <exception cref="NotSupportedException"><paramref name="dataType"/> is not supported by the device.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public KvCache(Device device, int layers, int kvHeads, int headDim, long capacity, DataType dataType = DataType.Float32)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfLessThan(layers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(kvHeads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(headDim, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        NqStatus status = NativeMethods.nq_kv_cache_create(
            device.OpenHandle, (uint)layers, (uint)kvHeads, (uint)headDim, (ulong)capacity, (NqDtype)dataType, out SafeKvCacheHandle handle);
        Errors.ThrowIfFailed(status);
        Handle = handle;
        Device = device;
        Layers = layers;
        KvHeads = kvHeads;
        HeadDim = headDim;
        Capacity = capacity;
        DataType = dataType;
    }

    /// <summary>The device that holds the cache.</summary>
    public Device Device { get; }

    /// <summary>Layers of the model.</summary>
    public int Layers { get; }

    /// <summary>Key/value heads of a layer.</summary>
    public int KvHeads { get; }

    /// <summary>Elements of a head.</summary>
    public int HeadDim { get; }

    /// <summary>Most positions it may hold.</summary>
    public long Capacity { get; }

    /// <summary>Type of the keys and values held.</summary>
    public DataType DataType { get; }

    internal SafeKvCacheHandle Handle { get; }

    internal SafeKvCacheHandle OpenHandle
    {
        get
        {
            Errors.ThrowIfDisposed(Handle, nameof(KvCache));
            return Handle;
        }
    }

    /// <summary>Appends positions to a layer. Allocates no managed memory.</summary>
    /// <param name="layer">The layer, from 0.</param>
    /// <param name="keys">float32, float16 or bfloat16 [T, <see cref="KvHeads"/> · <see cref="HeadDim"/>].</param>
    /// <param name="values">As <paramref name="keys"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="layer"/> does not exist.</exception>
    /// <exception cref="ArgumentException">A shape does not fit, or the cache would hold more than <see cref="Capacity"/> positions.</exception>
    /// <exception cref="NativeQuantOutOfMemoryException">The memory for further pages is not to be had.</exception>
    /// <exception cref="ObjectDisposedException">The cache, or the buffer of a tensor, was disposed.</exception>
    public void Append(int layer, in TensorView keys, in TensorView values)
    {
        CheckLayer(layer);
        Errors.ThrowIfFailed(NativeMethods.nq_kv_cache_append(
            OpenHandle, (uint)layer, keys.ToNative(nameof(keys)), values.ToNative(nameof(values))));
        Operations.KeepAlive(keys, values);
    }

    /// <summary>Positions that a layer holds.</summary>
    /// <param name="layer">The layer, from 0.</param>
    /// <returns>From 0 to <see cref="Capacity"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="layer"/> does not exist.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public long Length(int layer = 0)
    {
        CheckLayer(layer);
        Errors.ThrowIfFailed(NativeMethods.nq_kv_cache_length(OpenHandle, (uint)layer, out ulong length));
        return checked((long)length);
    }

    /// <summary>
    /// Device memory that the cache holds: pages of 64 positions of every layer. With D the elements of a head and D' = D rounded up to 16, a
    /// position of one layer takes <see cref="KvHeads"/> · (D + D') elements, and for int8 <see cref="KvHeads"/> · 8 bytes of scales.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public long Bytes
    {
        get
        {
            Errors.ThrowIfFailed(NativeMethods.nq_kv_cache_bytes(OpenHandle, out ulong bytes));
            return checked((long)bytes);
        }
    }

    /// <summary>
    /// Forgets every position from <paramref name="length"/> on, in every layer, and frees the pages no longer needed. Layers that hold
    /// fewer stay as they are.
    /// </summary>
    /// <param name="length">Positions to keep, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is negative.</exception>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    public void Truncate(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Errors.ThrowIfFailed(NativeMethods.nq_kv_cache_truncate(OpenHandle, (ulong)length));
    }

    /// <summary>Frees the cache. May be called any number of times and from any thread; an operation under way finishes first.</summary>
    public void Dispose() => Handle.Dispose();

    internal void CheckLayer(int layer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Layers);
    }
}

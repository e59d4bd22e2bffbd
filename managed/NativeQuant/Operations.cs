using System.Runtime.CompilerServices;

namespace NativeQuant;

/// <summary>
/// The operations of a device, on tensors: the formats' quantizers (Operations.Formats.cs), integer products (Operations.Int8.cs) and what a
/// transformer needs beside linear layers (Operations.Transformer.cs).
/// </summary>
/// <remarks>
/// <para>All tensors of one call belong to one device. Unless said otherwise floating-point tensors may be float32, float16 or bfloat16;
/// arithmetic is float32, rounded once, to nearest even, to the output type. An output may be the same view as an input only where
/// "in place" is said.</para>
/// <para>Thread-safe; concurrent writes to one tensor are the caller's to order. A call returns when its result is complete, allocates no
/// managed memory, and gives the same result for every number of threads.</para>
/// <para>Every operation throws <see cref="ArgumentException"/> if a shape, type or device does not fit, and
/// <see cref="ObjectDisposedException"/> if the buffer of a tensor was disposed.</para>
/// </remarks>
public static partial class Operations
{
    // Native code is handed ids, not references: these keep the owners of the buffers reachable until the call has returned.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void KeepAlive(in TensorView a, in TensorView b)
    {
        GC.KeepAlive(a.Buffer);
        GC.KeepAlive(b.Buffer);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void KeepAlive(in TensorView a, in TensorView b, in TensorView c)
    {
        KeepAlive(a, b);
        GC.KeepAlive(c.Buffer);
    }

    private static uint PositiveBlocksize(int blocksize, [CallerArgumentExpression(nameof(blocksize))] string? argument = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blocksize, argument);
        return (uint)blocksize;
    }
}

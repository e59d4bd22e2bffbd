using NativeQuant.Interop;

namespace NativeQuant;

/// <summary>The tables that codes index, with the exact values that bitsandbytes uses. Thread-safe.</summary>
public static class Codebooks
{
    /// <summary>Writes the 16 values of a 4-bit type; the code is the index.</summary>
    /// <param name="quantType">The type.</param>
    /// <param name="values">Receives the values; exactly 16 elements.</param>
    /// <exception cref="ArgumentException"><paramref name="values"/> has another length, or <paramref name="quantType"/> is unknown.</exception>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static void Codebook4Bit(QuantType quantType, Span<float> values)
    {
        if (values.Length != 16)
        {
            throw Errors.WrongLength(nameof(values), 16, values.Length);
        }

        NativeLibraryLoader.EnsureLoaded();
        Errors.ThrowIfFailed(NativeMethods.nq_codebook_4bit((NqQuantType)quantType, values));
    }

    /// <summary>Writes the 256 values of the dynamic 8-bit map, ascending (arXiv 2110.02861).</summary>
    /// <param name="signed"><see langword="true"/> for [-0.993, 1], <see langword="false"/> for [0, 1].</param>
    /// <param name="values">Receives the values; exactly 256 elements.</param>
    /// <exception cref="ArgumentException"><paramref name="values"/> has another length.</exception>
    /// <exception cref="NativeLibraryLoadException">The native library could not be loaded.</exception>
    public static void DynamicMap(bool signed, Span<float> values)
    {
        if (values.Length != 256)
        {
            throw Errors.WrongLength(nameof(values), 256, values.Length);
        }

        NativeLibraryLoader.EnsureLoaded();
        Errors.ThrowIfFailed(NativeMethods.nq_dynamic_map(signed ? 1 : 0, values));
    }
}

using System.Runtime.InteropServices;

namespace NativeQuant.Models.Checkpoints;

/// <summary>An LLM.int8() weight in a checkpoint: weight (r, c) = code (r, c) · row absmax r / 127. The codes are not copied.</summary>
/// <remarks>The type of the weights before quantization is not stored in this format; config.json has it for the whole model.</remarks>
public sealed class Matrix8BitTensors
{
    private readonly CheckpointTensor _codes;
    private readonly float[] _rowAbsmax;

    internal Matrix8BitTensors(CheckpointTensor codes, float[] rowAbsmax)
    {
        _codes = codes;
        _rowAbsmax = rowAbsmax;
    }

    /// <summary>Output features.</summary>
    public long Rows => _codes.Shape[0];

    /// <summary>Input features.</summary>
    public long Columns => _codes.Shape[1];

    /// <summary>The codes, row-major. The span must not be used when this object is no longer reachable.</summary>
    /// <exception cref="ObjectDisposedException">The checkpoint was disposed.</exception>
    /// <exception cref="CheckpointException">There are more than 2^31 - 1 of them, or the file was truncated since it was opened.</exception>
    public ReadOnlySpan<sbyte> Codes => MemoryMarshal.Cast<byte, sbyte>(_codes.Bytes);

    /// <summary>The largest absolute value of each row, finite.</summary>
    public ReadOnlySpan<float> RowAbsmax => _rowAbsmax;
}

using System.Buffers;
using NativeQuant.Models.Checkpoints;

namespace NativeQuant.Models;

/// <summary>
/// The tensors that a weight becomes in a checkpoint: itself, or bitsandbytes' codes and statistics. All weights are declared first, then
/// written in the same order; what is exported for that is held for one weight at a time.
/// </summary>
internal sealed class WeightExport(SafetensorsWriter writer, string quantStorage, string folder)
{
    private const int PieceBytes = 4 << 20;

    /// <summary>Announces the tensors of a weight.</summary>
    public void Declare(ModelWeight weight)
    {
        if (weight.IsCopy)
        {
            return;
        }
        if (weight.SavedFromCheckpointAs is DataType dataType)
        {
            writer.Declare(weight.Name, ElementTypes.FromDataType(dataType), [.. weight.Shape]);
            return;
        }
        switch (weight.Matrix)
        {
            case null:
                writer.Declare(weight.Name, ElementTypes.FromDataType(weight.Vector.DataType), [weight.Vector.Columns]);
                break;
            case DenseMatrix matrix:
                writer.Declare(weight.Name, ElementTypes.FromDataType(matrix.DataType), [matrix.Rows, matrix.Columns]);
                break;
            case Matrix quantized:
                foreach (NamedTensor tensor in Tensors(weight.Name, quantized))
                {
                    writer.Declare(tensor.Name, tensor.ElementType, tensor.Shape);
                }
                break;
        }
    }

    /// <summary>Writes the tensors of a weight.</summary>
    public void Write(ModelWeight weight)
    {
        if (weight.IsCopy)
        {
            return;
        }
        if (weight.SavedFromCheckpointAs is DataType dataType)
        {
            WriteFromCheckpoint(weight.Name, weight.Shape, weight.Matrix!.Device, dataType);
            return;
        }
        switch (weight.Matrix)
        {
            case null:
                Write(weight.Name, weight.Vector.Buffer);
                break;
            case DenseMatrix matrix:
                Write(weight.Name, matrix);
                break;
            case Matrix quantized:
                foreach (NamedTensor tensor in Tensors(weight.Name, quantized))
                {
                    writer.Write(tensor);
                }
                break;
        }
    }

    private void WriteFromCheckpoint(string name, IReadOnlyList<long> shape, Device device, DataType dataType)
    {
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        if (!checkpoint.TryGet(name, out CheckpointTensor? tensor))
        {
            throw ModelErrors.MissingTensor(folder, name, shape);
        }
        if (!tensor.Shape.SequenceEqual(shape))
        {
            throw ModelErrors.WrongShape(folder, name, shape, tensor.Shape);
        }
        using DenseMatrix matrix = DenseMatrix.Create(device, tensor.AsHostTensor(), dataType);
        Write(name, matrix);
    }

    private void Write(string name, DenseMatrix matrix)
    {
        using var buffer = new DeviceBuffer(matrix.Device, matrix.Rows * matrix.Columns * matrix.DataType.ByteSize());
        matrix.Dequantize(buffer.View(matrix.DataType, matrix.Rows, matrix.Columns));
        Write(name, buffer);
    }

    private IReadOnlyList<NamedTensor> Tensors(string name, Matrix quantized)
    {
        string module = name[..^".weight".Length];
        if (quantized is Matrix4Bit matrix4Bit)
        {
            return QuantizedWeightWriter.Tensors(module, matrix4Bit.Export(), quantStorage);
        }
        var matrix8Bit = (Matrix8Bit)quantized;
        sbyte[] codes = new sbyte[checked(matrix8Bit.Rows * matrix8Bit.Columns)];
        float[] rowAbsmax = new float[matrix8Bit.Rows];
        matrix8Bit.Export(codes, rowAbsmax);
        return QuantizedWeightWriter.Tensors(module, matrix8Bit.Rows, matrix8Bit.Columns, codes, rowAbsmax);
    }

    private void Write(string name, DeviceBuffer buffer)
    {
        byte[] piece = ArrayPool<byte>.Shared.Rent((int)Math.Min(PieceBytes, buffer.ByteLength));
        try
        {
            for (long offset = 0; offset < buffer.ByteLength; offset += piece.Length)
            {
                Span<byte> span = piece.AsSpan(0, (int)Math.Min(piece.Length, buffer.ByteLength - offset));
                buffer.Read(span, offset);
                writer.Write(name, span);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }
}

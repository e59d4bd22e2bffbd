using System.Runtime.InteropServices;

namespace NativeQuant.Tests;

// Tensors on a device that live as long as one test.
internal sealed class DeviceTensors(Device device) : IDisposable
{
    private readonly List<DeviceBuffer> _buffers = [];

    public Device Device => device;

    public TensorView New(DataType type, long rows, long columns)
    {
        var buffer = new DeviceBuffer(device, Math.Max(1, rows * columns * type.ByteSize()));
        _buffers.Add(buffer);
        return buffer.View(type, rows, columns);
    }

    public TensorView From(byte[] bytes, DataType type, long rows, long columns)
    {
        TensorView view = New(type, rows, columns);
        view.Buffer.Write<byte>(bytes);
        return view;
    }

    public TensorView From<T>(ReadOnlySpan<T> values, DataType type, long rows, long columns)
        where T : unmanaged => From(MemoryMarshal.AsBytes(values).ToArray(), type, rows, columns);

    // float32 values, rounded to the type.
    public TensorView Rounded(ReadOnlySpan<float> values, DataType type, long rows, long columns) => From(Floats.Narrow(values, type), type, rows, columns);

    public static byte[] Bytes(in TensorView view)
    {
        Assert.That(view.IsContiguous, "only views without gaps are read whole");
        var bytes = new byte[view.Rows * view.Columns * view.DataType.ByteSize()];
        view.Buffer.Read<byte>(bytes, view.ByteOffset);
        return bytes;
    }

    public static T[] Values<T>(in TensorView view)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(Bytes(view)).ToArray();

    public static float[] Singles(in TensorView view) => Floats.Widen(Bytes(view), view.DataType);

    public void Dispose()
    {
        foreach (DeviceBuffer buffer in _buffers)
        {
            buffer.Dispose();
        }
    }
}

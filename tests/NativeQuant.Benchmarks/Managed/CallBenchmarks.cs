using BenchmarkDotNet.Attributes;

namespace NativeQuant.Benchmarks;

/// <summary>Calls that do next to nothing natively: what views, checks and handles cost.</summary>
public class CallBenchmarks
{
    private readonly float[] _host = new float[16];
    private Device _device = null!;
    private DeviceBuffer _buffer = null!;
    private TensorView _x;
    private TensorView _y;

    /// <summary>Makes the tensors.</summary>
    [GlobalSetup]
    public void Open()
    {
        _device = Device.Open("cpu", new DeviceOptions { ThreadCount = 1 });
        _buffer = new DeviceBuffer(_device, 1 << 20);
        _x = _buffer.View(DataType.Float32, 1, 16);
        _y = _buffer.View(DataType.Float32, 1, 16, byteOffset: 64);
    }

    /// <summary>Gives everything back.</summary>
    [GlobalCleanup]
    public void Close()
    {
        _buffer.Dispose();
        _device.Dispose();
    }

    /// <summary>A view and two slices of it.</summary>
    [Benchmark]
    public long View() => _buffer.View(DataType.Float32, 16, 64).SliceRows(2, 4).SliceColumns(8, 8).ByteOffset;

    /// <summary>RMSNorm of 16 elements: three tensors.</summary>
    [Benchmark]
    public void RmsNorm() => Operations.RmsNorm(_x, _y, 1e-5f, _y);

    /// <summary>64 bytes from host to device.</summary>
    [Benchmark]
    public void Write() => _buffer.Write<float>(_host);

    /// <summary>64 bytes from device to host.</summary>
    [Benchmark]
    public void Read() => _buffer.Read<float>(_host);

    /// <summary>A buffer of 4 KiB, made and freed.</summary>
    [Benchmark]
    public void Allocate() => new DeviceBuffer(_device, 4096).Dispose();
}

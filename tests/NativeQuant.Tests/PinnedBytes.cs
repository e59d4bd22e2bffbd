using System.Runtime.InteropServices;

namespace NativeQuant.Tests;

// Managed bytes as host memory that a matrix is made from.
internal sealed class PinnedBytes(byte[] bytes) : IDisposable
{
    private GCHandle _handle = GCHandle.Alloc(bytes, GCHandleType.Pinned);

    public HostTensor Describe(DataType type, long rows, long columns) => new(_handle.AddrOfPinnedObject(), bytes.Length, type, rows, columns, this);

    public void Dispose() => _handle.Free();
}

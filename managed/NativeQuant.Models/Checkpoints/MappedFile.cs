using System.IO.MemoryMappedFiles;
using System.Runtime.ConstrainedExecution;
using Microsoft.Win32.SafeHandles;

namespace NativeQuant.Models.Checkpoints;

/// <summary>A whole file mapped read-only. The mapping outlives <see cref="Dispose"/> while a <see cref="MappingLease"/> of it is reachable.</summary>
internal sealed class MappedFile : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly MemoryMappedFile _mapping;
    private readonly MemoryMappedViewAccessor _view;

    /// <summary>Maps <paramref name="file"/>, which must not be empty, and takes it over.</summary>
    public MappedFile(SafeFileHandle file, string path, long length)
    {
        Path = path;
        Length = length;
        _file = file;
        _mapping = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            _view = _mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        }
        catch
        {
            _mapping.Dispose();
            throw;
        }
    }

    public string Path { get; }

    public long Length { get; }

    /// <summary>Keeps the mapping valid for as long as the returned object is reachable.</summary>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public MappingLease Lease() => new(_view.SafeMemoryMappedViewHandle);

    /// <summary>Throws when the file was truncated since it was opened: reading the pages that are gone would end the process (SIGBUS).</summary>
    public void ThrowIfShrunk()
    {
        long length = RandomAccess.GetLength(_file);
        if (length < Length)
        {
            throw CheckpointErrors.FileShrank(Path, Length, length);
        }
    }

    public void Dispose()
    {
        _view.Dispose();
        _mapping.Dispose();
        _file.Dispose();
    }
}

/// <summary>Holds one reference on a mapping until it is collected.</summary>
internal sealed unsafe class MappingLease : CriticalFinalizerObject
{
    private readonly SafeMemoryMappedViewHandle _view;

    public MappingLease(SafeMemoryMappedViewHandle view)
    {
        _view = view;
        byte* address = null;
        try
        {
            view.AcquirePointer(ref address);
        }
        catch
        {
            GC.SuppressFinalize(this);
            throw;
        }
        Address = (nint)address;
    }

    ~MappingLease() => _view.ReleasePointer();

    /// <summary>Where the file begins.</summary>
    public nint Address { get; }
}

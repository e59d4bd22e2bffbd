using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// One safetensors file, memory-mapped read-only: opening reads the header only, and bytes of a tensor are read from the file when they are touched.
/// </summary>
/// <remarks>
/// Thread-safe. The header is checked completely before <see cref="Open"/> returns, by the rules of the format's own library: see
/// <see cref="CheckpointException"/> for what a caller gets instead of a file that breaks them. Files beyond 2 GiB are fine.
/// </remarks>
public sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile _mapping;
    private readonly FrozenDictionary<string, CheckpointTensor> _byName;
    private readonly CheckpointTensor[] _tensors;

    private SafetensorsFile(MappedFile mapping, SafetensorsHeader header, long dataOffset)
    {
        _mapping = mapping;
        Metadata = header.Metadata;
        _tensors = [.. header.Entries.Select(entry => new CheckpointTensor(mapping, entry, dataOffset))];
        _byName = _tensors.ToFrozenDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <summary>The file.</summary>
    public string Path => _mapping.Path;

    /// <summary>The free texts under <c>__metadata__</c>; empty if there are none. PyTorch's writer leaves <c>format: pt</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>All tensors in the order of their data in the file.</summary>
    public IReadOnlyList<CheckpointTensor> Tensors => _tensors;

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">Its full name.</param>
    /// <exception cref="CheckpointException">There is no such tensor.</exception>
    public CheckpointTensor this[string name] => TryGet(name, out CheckpointTensor? tensor) ? tensor : throw CheckpointErrors.TensorMissing(Path, name);

    /// <summary>Maps a file and checks its header.</summary>
    /// <param name="path">The file; any Unicode name.</param>
    /// <returns>The open file.</returns>
    /// <exception cref="CheckpointException">The file cannot be read or is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            SafetensorsFile opened = Map(file, path);
            file = null;
            return opened;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw CheckpointErrors.FileNotReadable(path, exception);
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <summary>Looks a tensor up.</summary>
    /// <param name="name">Its full name.</param>
    /// <param name="tensor">The tensor, if there is one.</param>
    /// <returns>Whether there is a tensor of that name.</returns>
    public bool TryGet(string name, [MaybeNullWhen(false)] out CheckpointTensor tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>Unmaps the file, as soon as no tensor or host tensor of it is in use. Safe to call twice and from several threads.</summary>
    public void Dispose() => _mapping.Dispose();

    private static SafetensorsFile Map(SafeFileHandle file, string path)
    {
        long length = RandomAccess.GetLength(file);
        if (length < SafetensorsHeader.PrefixBytes)
        {
            throw CheckpointErrors.FileTooShort(path, length);
        }
        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixBytes];
        ReadExactly(file, path, prefix, 0);
        ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerLength > SafetensorsHeader.MaximumBytes)
        {
            throw CheckpointErrors.HeaderTooLong(path, headerLength);
        }
        if (headerLength > (ulong)(length - SafetensorsHeader.PrefixBytes))
        {
            throw CheckpointErrors.HeaderBeyondFile(path, headerLength, length);
        }
        // Read, not mapped: a file that is cut off meanwhile is then an error like any other.
        byte[] json = new byte[headerLength];
        ReadExactly(file, path, json, SafetensorsHeader.PrefixBytes);
        long dataOffset = SafetensorsHeader.PrefixBytes + json.LongLength;
        SafetensorsHeader header = SafetensorsHeader.Parse(path, json, length - dataOffset);
        return new SafetensorsFile(new MappedFile(file, path, length), header, dataOffset);
    }

    private static void ReadExactly(SafeFileHandle file, string path, Span<byte> destination, long offset)
    {
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(file, destination, offset);
            if (read == 0)
            {
                throw CheckpointErrors.FileShrank(path, offset + destination.Length, offset);
            }
            destination = destination[read..];
            offset += read;
        }
    }
}

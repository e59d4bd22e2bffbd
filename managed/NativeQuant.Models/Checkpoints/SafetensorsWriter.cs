using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace NativeQuant.Models.Checkpoints;

/// <summary>
/// Writes a safetensors file: declare all tensors, write their bytes in the order of declaration, in pieces of any size, then commit.
/// The file appears under its name when <see cref="Commit"/> returns, complete, or not at all.
/// </summary>
/// <remarks>
/// Not thread-safe. What is written goes to a temporary file in the same folder, which is made when the first byte is written (its whole size is
/// reserved then, where the file system can, so that a full disk shows at once) and deleted when writing fails or the writer is disposed
/// without commit.
/// </remarks>
/// <example>
/// <code>
/// using SafetensorsWriter writer = new("model.safetensors");
/// writer.Declare("model.norm.weight", "F32", [4]);
/// writer.Write("model.norm.weight", MemoryMarshal.AsBytes&lt;float&gt;([1, 1, 1, 1]));
/// writer.Commit();
/// </code>
/// </example>
public sealed class SafetensorsWriter : IDisposable
{
    private const int Alignment = 8;
    private const int CopyPiece = 1 << 22;

    private readonly Func<string, long, Stream> _create;
    private readonly string _temporaryPath;
    private readonly List<SafetensorsEntry> _entries = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private Stream? _stream;
    private int _current;
    private long _written; // data bytes of all tensors so far
    private bool _committed;
    private bool _disposed;

    /// <summary>Prepares to write a file; nothing is created yet.</summary>
    /// <param name="path">The file to write; replaced on commit if it exists. Its folder must exist.</param>
    public SafetensorsWriter(string path)
        : this(path, CreateFile)
    {
    }

    /// <param name="path">The file to write.</param>
    /// <param name="create">Opens the stream for the temporary name and the size the file will have. Tests give streams that fail.</param>
    internal SafetensorsWriter(string path, Func<string, long, Stream> create)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _create = create;
        Path = path;
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)) ?? path;
        _temporaryPath = System.IO.Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
    }

    /// <summary>The file that <see cref="Commit"/> makes.</summary>
    public string Path { get; }

    /// <summary>Announces a tensor. All are announced before the first is written; their data follow in this order.</summary>
    /// <param name="name">Its name: unique, and not <c>__metadata__</c>.</param>
    /// <param name="elementType">Its element type under the name safetensors has for it: <c>F32</c>, <c>BF16</c>, <c>U8</c> and so on.</param>
    /// <param name="shape">Its dimensions, none of them negative; none at all for a scalar.</param>
    /// <exception cref="ArgumentException">The name is taken, the element type unknown, or the shape negative or too large.</exception>
    /// <exception cref="InvalidOperationException">Data were written already.</exception>
    public void Declare(string name, string elementType, ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(elementType);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_stream is not null || _committed)
        {
            throw CheckpointErrors.DeclaredTooLate(name);
        }
        if (name == SafetensorsHeader.MetadataName || _names.Contains(name))
        {
            throw CheckpointErrors.InvalidDeclaration(name, "the name is taken");
        }
        if (!ElementTypes.IsKnown(elementType))
        {
            throw CheckpointErrors.InvalidDeclaration(name, $"{CheckpointErrors.Quote(elementType)} is not one of {ElementTypes.KnownNames}");
        }
        long begin = _entries.Count == 0 ? 0 : _entries[^1].End;
        if (shape.ContainsAnyInRange(long.MinValue, -1)
            || !ElementTypes.TryGetByteLength(elementType, shape, out long byteLength)
            || byteLength > long.MaxValue - begin - SafetensorsHeader.MaximumBytes - SafetensorsHeader.PrefixBytes)
        {
            throw CheckpointErrors.InvalidDeclaration(name, $"{elementType} {CheckpointErrors.Shape(shape)} is negative or too large");
        }
        _names.Add(name);
        _entries.Add(new SafetensorsEntry(name, elementType, shape.ToArray(), begin, begin + byteLength));
    }

    /// <summary>Writes the next bytes of a tensor, row-major and little-endian. Tensors without bytes need no call.</summary>
    /// <param name="name">The tensor: the first that is not complete yet.</param>
    /// <param name="data">All its bytes, or the next of them.</param>
    /// <exception cref="ArgumentException">The tensor has fewer bytes left.</exception>
    /// <exception cref="InvalidOperationException">Another tensor is next.</exception>
    /// <exception cref="CheckpointException">The file cannot be written: no permission, disk full and so on.</exception>
    public void Write(string name, ReadOnlySpan<byte> data)
    {
        ArgumentNullException.ThrowIfNull(name);
        ThrowIfFinished();
        if (data.IsEmpty && _names.Contains(name))
        {
            return;
        }
        if (Next() is not { } entry || entry.Name != name)
        {
            throw CheckpointErrors.WrongOrder(name, Next()?.Name);
        }
        if (data.Length > entry.End - _written)
        {
            throw CheckpointErrors.TooMuchData(name, entry.End - _written, data.Length, nameof(data));
        }
        try
        {
            Begin();
            _stream.Write(data);
        }
        catch (Exception exception) when (IsWriteFailure(exception))
        {
            Dispose();
            throw CheckpointErrors.WriteFailed(Path, exception);
        }
        _written += data.Length;
    }

    /// <summary>Announces a tensor; see <see cref="Declare(string, string, ReadOnlySpan{long})"/>.</summary>
    /// <param name="tensor">The tensor. Only its name, type and shape are looked at.</param>
    /// <exception cref="ArgumentException">The name is taken, the element type unknown, or the shape negative or too large.</exception>
    /// <exception cref="InvalidOperationException">Data were written already.</exception>
    public void Declare(NamedTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Declare(tensor.Name, tensor.ElementType, tensor.Shape);
    }

    /// <summary>Writes all bytes of a tensor; see <see cref="Write(string, ReadOnlySpan{byte})"/>.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <exception cref="ArgumentException">Fewer bytes were declared.</exception>
    /// <exception cref="InvalidOperationException">Another tensor is next.</exception>
    /// <exception cref="CheckpointException">The file cannot be written.</exception>
    public void Write(NamedTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Write(tensor.Name, tensor.Bytes);
    }

    /// <summary>Copies a tensor of another checkpoint, of any size, to the tensor of that name.</summary>
    /// <param name="tensor">The tensor; declared under its own name and of its own size.</param>
    /// <exception cref="InvalidOperationException">Another tensor is next.</exception>
    /// <exception cref="ArgumentException">The tensor has more bytes than were declared.</exception>
    /// <exception cref="CheckpointException">The file cannot be written, or the other truncated meanwhile.</exception>
    public unsafe void Write(CheckpointTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        for (long offset = 0; offset < tensor.ByteLength; offset += CopyPiece)
        {
            int length = (int)Math.Min(CopyPiece, tensor.ByteLength - offset);
            Write(tensor.Name, new ReadOnlySpan<byte>((byte*)tensor.Address + offset, length));
        }
        GC.KeepAlive(tensor);
    }

    /// <summary>Forces the file to the disk and gives it its name, in place of a file that had it.</summary>
    /// <exception cref="InvalidOperationException">A tensor is not complete, or this was called before.</exception>
    /// <exception cref="CheckpointException">The file cannot be written or renamed.</exception>
    public void Commit()
    {
        ThrowIfFinished();
        if (Next() is { } entry)
        {
            throw CheckpointErrors.Incomplete(entry.Name, _written - entry.Begin, entry.End - entry.Begin);
        }
        try
        {
            Begin();
            if (_stream is FileStream file)
            {
                file.Flush(flushToDisk: true);
            }
            _stream.Dispose();
            File.Move(_temporaryPath, Path, overwrite: true);
        }
        catch (Exception exception) when (IsWriteFailure(exception))
        {
            Dispose();
            throw CheckpointErrors.WriteFailed(Path, exception);
        }
        _committed = true;
    }

    /// <summary>Deletes what was written, unless it was committed.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        if (_stream is not null && !_committed)
        {
            DeleteTemporaryFile(_stream);
        }
    }

    private static FileStream CreateFile(string path, long length) => new(path, new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.Write,
        Share = FileShare.None,
        PreallocationSize = length,
    });

    // ArgumentOutOfRangeException is what .NET makes of EFBIG, a file larger than the process or the file system may have.
    private static bool IsWriteFailure(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentOutOfRangeException;

    private void DeleteTemporaryFile(Stream stream)
    {
        try
        {
            stream.Dispose();
        }
        catch (Exception exception) when (IsWriteFailure(exception))
        {
            // What could not be flushed is deleted below.
        }
        try
        {
            File.Delete(_temporaryPath);
        }
        catch (Exception exception) when (IsWriteFailure(exception))
        {
            // The folder became unwritable: the file keeps its temporary name, and the error that led here is the one to report.
        }
    }

    private void ThrowIfFinished()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_committed)
        {
            throw CheckpointErrors.AlreadyCommitted(Path);
        }
    }

    /// <summary>The first tensor that lacks bytes, or null when all are complete.</summary>
    private SafetensorsEntry? Next()
    {
        while (_current < _entries.Count && _written == _entries[_current].End)
        {
            _current++;
        }
        return _current < _entries.Count ? _entries[_current] : null;
    }

    [MemberNotNull(nameof(_stream))]
    private void Begin()
    {
        if (_stream is not null)
        {
            return;
        }
        byte[] header = Header();
        FileSizeLimit.ReportAsError();
        _stream = _create(_temporaryPath, header.LongLength + (_entries.Count == 0 ? 0 : _entries[^1].End));
        _stream.Write(header);
    }

    private byte[] Header()
    {
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(stackalloc byte[SafetensorsHeader.PrefixBytes]);
        // Relaxed: other letters than ASCII stay as they are, as in the files of the format's own library.
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject(SafetensorsHeader.MetadataName);
            json.WriteString("format", "pt");
            json.WriteEndObject();
            foreach (SafetensorsEntry entry in _entries)
            {
                json.WriteStartObject(entry.Name);
                json.WriteString("dtype", entry.ElementType);
                json.WriteStartArray("shape");
                foreach (long dimension in entry.Shape)
                {
                    json.WriteNumberValue(dimension);
                }
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(entry.Begin);
                json.WriteNumberValue(entry.End);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        int padding = -buffer.WrittenCount & (Alignment - 1);
        buffer.GetSpan(Alignment)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        byte[] header = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - SafetensorsHeader.PrefixBytes));
        return header;
    }
}

using System.Buffers.Binary;
using System.Text;

namespace NativeQuant.Models.Tests.Checkpoints;

/// <summary>Builds safetensors files byte by byte, valid or not.</summary>
internal static class RawSafetensors
{
    /// <summary>Header length, header and data, whatever they are.</summary>
    public static byte[] Bytes(ulong headerLength, ReadOnlySpan<byte> header, ReadOnlySpan<byte> data)
    {
        byte[] file = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(file, headerLength);
        header.CopyTo(file.AsSpan(8));
        data.CopyTo(file.AsSpan(8 + header.Length));
        return file;
    }

    /// <summary>A file with this header, its true length, and as many data bytes 0, 1, 2, ….</summary>
    public static byte[] Bytes(string header, int dataBytes) =>
        Bytes((ulong)Encoding.UTF8.GetByteCount(header), Encoding.UTF8.GetBytes(header), [.. Enumerable.Range(0, dataBytes).Select(i => (byte)i)]);

    public static string Header(params string[] entries) => $"{{{string.Join(',', entries)}}}";

    public static string Entry(string name, string elementType, string shape, long begin, long end) =>
        $$"""
        "{{name}}":{"dtype":"{{elementType}}","shape":{{shape}},"data_offsets":[{{begin}},{{end}}]}
        """;
}

using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace NativeQuant.Models.Checkpoints;

/// <summary>One tensor of a safetensors header: offsets are bytes from the end of the header.</summary>
internal sealed record SafetensorsEntry(string Name, string ElementType, long[] Shape, long Begin, long End);

/// <summary>
/// The JSON header of a safetensors file, fully checked. The layout of the file: u64 little-endian header length, the header (UTF-8 JSON
/// <c>{name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {string: string}}</c>, padded with spaces), then the data.
/// </summary>
/// <remarks>
/// The checks are those of the format's own library: header of at most 100,000,000 bytes, sizes that do not overflow and agree with the
/// offsets, and tensors that cover the data without overlap, hole or rest. Names, also of fields, must be unique, which it leaves to its JSON parser.
/// </remarks>
internal sealed class SafetensorsHeader
{
    public const int PrefixBytes = 8;
    public const long MaximumBytes = 100_000_000;
    public const string MetadataName = "__metadata__";

    // The header itself nests three deep; fields that a later version may add are skipped, but not to any depth.
    private const int MaximumDepth = 16;

    private SafetensorsHeader(IReadOnlyDictionary<string, string> metadata, IReadOnlyList<SafetensorsEntry> entries)
    {
        Metadata = metadata;
        Entries = entries;
    }

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>Parses and checks a header.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The header without its length.</param>
    /// <param name="dataBytes">Bytes in the file after the header.</param>
    /// <exception cref="CheckpointException">The header is invalid.</exception>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataBytes)
    {
        if (!Utf8.IsValid(json))
        {
            throw CheckpointErrors.HeaderNotUtf8(path);
        }
        try
        {
            return new Parser(path, dataBytes).Parse(json);
        }
        // InvalidOperationException: an escaped surrogate without its other half.
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw CheckpointErrors.HeaderNotJson(path, exception);
        }
    }

    private sealed class Parser(string path, long dataBytes)
    {
        private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
        private readonly List<SafetensorsEntry> _entries = [];
        private readonly List<long> _dimensions = [];

        public SafetensorsHeader Parse(ReadOnlySpan<byte> json)
        {
            Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaximumDepth });
            HashSet<string> names = new(StringComparer.Ordinal);
            reader.Read();
            Expect(in reader, JsonTokenType.StartObject, "header", "a JSON object");
            while (NextProperty(ref reader, out string name))
            {
                if (!names.Add(name))
                {
                    throw CheckpointErrors.DuplicateName(path, name);
                }
                if (name == MetadataName)
                {
                    ReadMetadata(ref reader);
                }
                else
                {
                    _entries.Add(ReadTensor(ref reader, name));
                }
            }
            // Throws when anything but white space follows the object.
            reader.Read();
            CheckCoverage();
            return new SafetensorsHeader(_metadata, _entries);
        }

        private void ReadMetadata(ref Utf8JsonReader reader)
        {
            if (reader.TokenType == JsonTokenType.Null)
            {
                return;
            }
            Expect(in reader, JsonTokenType.StartObject, MetadataName, "an object of strings");
            while (NextProperty(ref reader, out string key))
            {
                Expect(in reader, JsonTokenType.String, $"{MetadataName} entry {CheckpointErrors.Quote(key)}", "a string");
                if (!_metadata.TryAdd(key, reader.GetString()!))
                {
                    throw CheckpointErrors.DuplicateField(path, MetadataName, key);
                }
            }
        }

        private SafetensorsEntry ReadTensor(ref Utf8JsonReader reader, string name)
        {
            string? elementType = null;
            long[]? shape = null;
            (long Begin, long End)? offsets = null;
            Expect(in reader, JsonTokenType.StartObject, $"tensor {CheckpointErrors.Quote(name)}", "an object");
            while (NextProperty(ref reader, out string field))
            {
                switch (field)
                {
                    case "dtype":
                        RejectSecond(elementType is not null, name, field);
                        elementType = ReadElementType(ref reader, name);
                        break;
                    case "shape":
                        RejectSecond(shape is not null, name, field);
                        shape = [.. ReadNaturalNumbers(ref reader, name, field)];
                        break;
                    case "data_offsets":
                        RejectSecond(offsets is not null, name, field);
                        offsets = ReadOffsets(ref reader, name);
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            }
            return Check(
                name,
                elementType ?? throw CheckpointErrors.MissingField(path, name, "dtype"),
                shape ?? throw CheckpointErrors.MissingField(path, name, "shape"),
                offsets ?? throw CheckpointErrors.MissingField(path, name, "data_offsets"));
        }

        private string ReadElementType(ref Utf8JsonReader reader, string name)
        {
            Expect(in reader, JsonTokenType.String, $"dtype of tensor {CheckpointErrors.Quote(name)}", "a string");
            string elementType = reader.GetString()!;
            return ElementTypes.IsKnown(elementType) ? elementType : throw CheckpointErrors.UnknownElementType(path, name, elementType);
        }

        private (long Begin, long End) ReadOffsets(ref Utf8JsonReader reader, string name)
        {
            List<long> numbers = ReadNaturalNumbers(ref reader, name, "data_offsets");
            return numbers.Count == 2
                ? (numbers[0], numbers[1])
                : throw CheckpointErrors.HeaderWrongToken(path, $"data_offsets of tensor {CheckpointErrors.Quote(name)}", "two numbers", $"{numbers.Count}");
        }

        private List<long> ReadNaturalNumbers(ref Utf8JsonReader reader, string tensor, string field)
        {
            Expect(in reader, JsonTokenType.StartArray, $"{field} of tensor {CheckpointErrors.Quote(tensor)}", "an array of integers from 0 to 2^63 - 1");
            _dimensions.Clear();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                {
                    throw CheckpointErrors.HeaderWrongToken(
                        path, $"{field} of tensor {CheckpointErrors.Quote(tensor)}", "integers from 0 to 2^63 - 1", Describe(in reader));
                }
                _dimensions.Add(number);
            }
            return _dimensions;
        }

        private SafetensorsEntry Check(string name, string elementType, long[] shape, (long Begin, long End) offsets)
        {
            (long begin, long end) = offsets;
            if (end < begin)
            {
                throw CheckpointErrors.OffsetsReversed(path, name, begin, end);
            }
            if (end > dataBytes)
            {
                throw CheckpointErrors.OffsetsBeyondFile(path, name, begin, end, dataBytes);
            }
            if (!ElementTypes.TryGetByteLength(elementType, shape, out long byteLength))
            {
                throw CheckpointErrors.ShapeOverflows(path, name, elementType, shape);
            }
            if (end - begin != byteLength)
            {
                throw CheckpointErrors.OffsetsMisfit(path, name, elementType, shape, byteLength, begin, end);
            }
            return new SafetensorsEntry(name, elementType, shape, begin, end);
        }

        private void CheckCoverage()
        {
            _entries.Sort(static (a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
            long covered = 0;
            string previous = "";
            foreach (SafetensorsEntry entry in _entries)
            {
                if (entry.Begin < covered)
                {
                    throw CheckpointErrors.OffsetsOverlap(path, entry.Name, previous, covered, entry.Begin);
                }
                if (entry.Begin > covered)
                {
                    throw CheckpointErrors.OffsetsLeaveHole(path, entry.Name, covered, entry.Begin);
                }
                covered = entry.End;
                previous = entry.Name;
            }
            if (covered != dataBytes)
            {
                throw CheckpointErrors.TrailingData(path, covered, dataBytes);
            }
        }

        /// <summary>Moves to the value of the next property; false at the end of the object.</summary>
        private static bool NextProperty(ref Utf8JsonReader reader, out string name)
        {
            reader.Read();
            if (reader.TokenType == JsonTokenType.EndObject)
            {
                name = "";
                return false;
            }
            name = reader.GetString()!;
            reader.Read();
            return true;
        }

        private void Expect(in Utf8JsonReader reader, JsonTokenType token, string what, string expected)
        {
            if (reader.TokenType != token)
            {
                throw CheckpointErrors.HeaderWrongToken(path, what, expected, Describe(in reader));
            }
        }

        private void RejectSecond(bool isSecond, string tensor, string field)
        {
            if (isSecond)
            {
                throw CheckpointErrors.DuplicateField(path, tensor, field);
            }
        }

        private static string Describe(in Utf8JsonReader reader) => reader.TokenType switch
        {
            JsonTokenType.Number => CheckpointErrors.Quote(Encoding.UTF8.GetString(reader.ValueSpan)),
            JsonTokenType.String => "a string",
            JsonTokenType.StartObject => "an object",
            JsonTokenType.StartArray => "an array",
            JsonTokenType.None => "nothing",
            _ => Encoding.UTF8.GetString(reader.ValueSpan),
        };
    }
}

using System.CommandLine;
using NativeQuant.Models;

namespace NativeQuant.Cli.Options;

/// <summary>Which model, and how it is loaded: the folder, the device, the number type and the quantization.</summary>
internal sealed class ModelOptions
{
    private readonly DeviceSelection _device = new();
    private readonly QuantizationOptions _quantization = new();

    private readonly Option<string?> _dtype = new("--dtype")
    {
        Description = "Type in which unquantized weights are held; by default as stored.",
        HelpName = DataTypeNames.Choices,
    };

    private readonly Option<string?> _kvCache = new("--kv-cache")
    {
        Description = "Type in which keys and values are held; by default float32. bfloat16 rounds them and halves their memory, int8 quantizes each head of a position by its largest value and takes a little over a quarter.",
        HelpName = string.Join('|', DataTypeNames.KvCache),
    };

    private readonly Option<string?> _head = new("--lm-head")
    {
        Description = "Run the output head from int8 weights where it would be unquantized: less to read per token, an approximation.",
        HelpName = "int8",
    };

    private readonly Option<string?> _activations = new("--activations")
    {
        Description = "Multiply 4-bit layers with activations quantized to int8, 64 values at a time: faster, an approximation.",
        HelpName = "int8",
    };

    public Argument<string> Folder { get; } = ModelFolder.Argument();

    public void AddTo(Command command)
    {
        _dtype.AcceptOnlyFromAmong(DataTypeNames.All);
        command.Arguments.Add(Folder);
        _quantization.AddTo(command);
        command.Options.Add(_dtype);
        _device.AddTo(command);
    }

    /// <summary>For the commands that run the model.</summary>
    public void AddRunTo(Command command)
    {
        _kvCache.AcceptOnlyFromAmong(DataTypeNames.KvCache);
        _head.AcceptOnlyFromAmong("int8");
        _activations.AcceptOnlyFromAmong("int8");
        command.Options.Add(_kvCache);
        command.Options.Add(_head);
        command.Options.Add(_activations);
    }

    public string ReadFolder(ParseResult parsed) => parsed.GetRequiredValue(Folder);

    public QuantizationConfig? ReadQuantization(ParseResult parsed) => _quantization.Read(parsed);

    public Device OpenDevice(ParseResult parsed) => _device.Open(parsed);

    /// <summary>How to load; the device stays the caller's.</summary>
    public LoadOptions ReadLoadOptions(ParseResult parsed, Device device) => new()
    {
        Device = device,
        Quantization = ReadQuantization(parsed),
        DataType = parsed.GetValue(_dtype) is { } name ? DataTypeNames.Parse(name) : null,
        KvCacheType = parsed.GetValue(_kvCache) is { } cache ? DataTypeNames.Parse(cache) : DataType.Float32,
        Int8Head = parsed.GetValue(_head) is not null,
        Int8Activations = parsed.GetValue(_activations) is not null,
    };
}

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

    public Argument<string> Folder { get; } = ModelFolder.Argument();

    public void AddTo(Command command)
    {
        _dtype.AcceptOnlyFromAmong(DataTypeNames.All);
        command.Arguments.Add(Folder);
        _quantization.AddTo(command);
        command.Options.Add(_dtype);
        _device.AddTo(command);
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
    };
}

using System.CommandLine;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;
using NativeQuant.Models;
using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Cli.Commands;

/// <summary>A model and the device it was loaded on, as the options asked for.</summary>
internal sealed class LoadedModel : IDisposable
{
    private readonly Device _device;

    private LoadedModel(Device device, CausalLM model)
    {
        _device = device;
        Model = model;
    }

    public CausalLM Model { get; }

    /// <exception cref="InvalidDataException">The folder has no tokenizer.json.</exception>
    public Tokenizer Tokenizer => Model.Tokenizer ?? throw new InvalidDataException($"'{Model.Folder}' has no tokenizer.json, which text needs.");

    public static async Task<LoadedModel> LoadAsync(Terminal terminal, ParseResult parsed, ModelOptions options, CancellationToken cancellationToken)
    {
        string folder = options.ReadFolder(parsed);
        ModelFolder.RequireExisting(folder);
        Device device = options.OpenDevice(parsed);
        try
        {
            CausalLM model = await LoadAsync(terminal, "loading", folder, options.ReadLoadOptions(parsed, device), cancellationToken).ConfigureAwait(false);
            return new LoadedModel(device, model);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Loads a model and shows how far it has come.</summary>
    public static Task<CausalLM> LoadAsync(Terminal terminal, string description, string folder, LoadOptions options, CancellationToken cancellationToken) =>
        ProgressDisplay.RunAsync(terminal, description, progress => CausalLM.LoadAsync(
            folder,
            options,
            new ProgressConversion<LoadProgress>(progress, static load => load.TotalBytes == 0 ? 1 : (double)load.CompletedBytes / load.TotalBytes),
            cancellationToken));

    public void Dispose()
    {
        Model.Dispose();
        _device.Dispose();
    }
}

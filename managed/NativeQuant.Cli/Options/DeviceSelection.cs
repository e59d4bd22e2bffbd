using System.CommandLine;

namespace NativeQuant.Cli.Options;

/// <summary>Where a model runs: --device and --threads.</summary>
internal sealed class DeviceSelection
{
    private readonly Option<string> _device = new("--device")
    {
        Description = "Device that holds and runs the model: cpu, or cuda:N for the N-th CUDA device.",
        HelpName = "name",
        DefaultValueFactory = static _ => "cpu",
    };

    private readonly Option<int> _threads = new("--threads")
    {
        Description = "Threads the processor may use; 0: every processor this process may use.",
        HelpName = "count",
        DefaultValueFactory = static _ => 0,
    };

    public void AddTo(Command command)
    {
        _threads.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<int>() < 0)
            {
                result.AddError("--threads must be 0 or greater.");
            }
        });
        command.Options.Add(_device);
        command.Options.Add(_threads);
    }

    /// <summary>Opens the device; the caller disposes it.</summary>
    public Device Open(ParseResult parsed) => Device.Open(parsed.GetRequiredValue(_device), new DeviceOptions { ThreadCount = parsed.GetValue(_threads) });
}

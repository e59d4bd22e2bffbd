using System.CommandLine;
using NativeQuant.Models;

namespace NativeQuant.Cli.Options;

/// <summary>The text that a perplexity is measured on, and how much of it.</summary>
internal sealed class TextOption
{
    private readonly Option<string> _text = new("--text") { Description = "UTF-8 text file to measure on.", HelpName = "file", Required = true };

    private readonly Option<int> _window = new("--window")
    {
        Description = "Tokens per window; by default the model's context, at most 256.",
        HelpName = "tokens",
    };

    private readonly Option<int> _maxWindows = new("--max-windows") { Description = "Windows to score at most; by default all.", HelpName = "count" };

    public void AddTo(Command command)
    {
        foreach (Option<int> option in (Option<int>[])[_window, _maxWindows])
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < 1)
                {
                    result.AddError($"{option.Name} must be 1 or greater.");
                }
            });
        }
        command.Options.Add(_text);
        command.Options.Add(_window);
        command.Options.Add(_maxWindows);
    }

    public PerplexityOptions ReadOptions(ParseResult parsed) => new() { Window = Read(parsed, _window), MaxWindows = Read(parsed, _maxWindows) };

    /// <summary>Reads the file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public async Task<string> ReadTextAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        string path = parsed.GetRequiredValue(_text);
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"Text '{path}': no such file.", path);
        }
        return await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false);
    }

    private static int? Read(ParseResult parsed, Option<int> option) => parsed.GetResult(option) is null ? null : parsed.GetValue(option);
}

using System.CommandLine;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;
using NativeQuant.Cli.Profiling;

namespace NativeQuant.Cli.Commands;

/// <summary><c>profile</c>: where the time of a decode step goes.</summary>
internal static class ProfileCommand
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        Option<int> prompt = Count("--prompt-tokens", "Tokens of the prompt.", 32);
        Option<int> tokens = Count("--tokens", "Tokens to generate while measuring.", 64);
        Option<bool> json = OutputOptions.Json();
        Command command = new("profile", "Measures where the time of a decode step goes: each native function, waiting, and the code around.");
        model.AddTo(command);
        model.AddRunTo(command);
        command.Options.Add(prompt);
        command.Options.Add(tokens);
        command.Options.Add(json);
        return command.WithAction(terminal, async (parsed, cancellationToken) =>
        {
            using LoadedModel loaded = await LoadedModel.LoadAsync(terminal, parsed, model, cancellationToken).ConfigureAwait(false);
            DecodeProfile profile = DecodeProfile.Measure(loaded.Model, parsed.GetValue(prompt), parsed.GetValue(tokens), cancellationToken);
            if (parsed.GetValue(json))
            {
                JsonOutput.Write(terminal, writer => DecodeProfileTable.WriteJson(writer, profile));
            }
            else
            {
                DecodeProfileTable.WriteText(terminal, profile);
            }
            return ExitCode.Success;
        });
    }

    private static Option<int> Count(string name, string description, int defaultValue)
    {
        Option<int> option = new(name) { Description = description, HelpName = "count", DefaultValueFactory = _ => defaultValue };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
            {
                result.AddError($"{name} must be at least 1.");
            }
        });
        return option;
    }
}

using System.CommandLine;
using System.Diagnostics;
using System.Text;
using NativeQuant.Cli.Options;
using NativeQuant.Cli.Output;
using NativeQuant.Models;

namespace NativeQuant.Cli.Commands;

/// <summary><c>generate</c>: continues a prompt. The text goes to standard output as it comes.</summary>
internal static class GenerateCommand
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        SamplingOptions sampling = new();
        Argument<string?> prompt = new Argument<string?>("prompt") { Description = "Text to continue; by default standard input.", Arity = ArgumentArity.ZeroOrOne }.RefusingOptions();
        Option<bool> json = OutputOptions.Json();
        Command command = new("generate", "Continues a prompt.");
        model.AddTo(command);
        model.AddRunTo(command);
        command.Arguments.Add(prompt);
        sampling.AddTo(command);
        command.Options.Add(json);
        return command.WithAction(terminal, async (parsed, cancellationToken) =>
        {
            string text = parsed.GetValue(prompt) ?? await ReadInputAsync(terminal, cancellationToken).ConfigureAwait(false);
            using LoadedModel loaded = await LoadedModel.LoadAsync(terminal, parsed, model, cancellationToken).ConfigureAwait(false);
            return await RunAsync(terminal, loaded, text, sampling.Read(parsed), parsed.GetValue(json), cancellationToken).ConfigureAwait(false);
        });
    }

    private static async Task<string> ReadInputAsync(Terminal terminal, CancellationToken cancellationToken) => terminal.Input is { } input
        ? await input.ReadToEndAsync(cancellationToken).ConfigureAwait(false)
        : throw new UsageException("A prompt is needed: as the second argument, or on standard input.");

    private static async Task<int> RunAsync(Terminal terminal, LoadedModel loaded, string prompt, GenerationOptions options, bool json, CancellationToken cancellationToken)
    {
        _ = loaded.Tokenizer;
        using GenerationSession session = loaded.Model.CreateSession();
        List<GeneratedToken> tokens = [];
        StringBuilder text = new();
        long start = Stopwatch.GetTimestamp();
        TimeSpan untilFirst = TimeSpan.Zero;
        await foreach (GeneratedToken token in session.GenerateAsync(prompt, options, cancellationToken).ConfigureAwait(false))
        {
            if (tokens.Count == 0)
            {
                untilFirst = Stopwatch.GetElapsedTime(start);
            }
            tokens.Add(token);
            text.Append(token.Text);
            if (!json)
            {
                terminal.Output.Write(token.Text);
                terminal.Output.Flush();
            }
        }
        TimeSpan total = Stopwatch.GetElapsedTime(start);
        double? tokensPerSecond = tokens.Count > 1 ? (tokens.Count - 1) / (total - untilFirst).TotalSeconds : null;
        if (json)
        {
            WriteJson(terminal, prompt, text.ToString(), tokens, untilFirst, tokensPerSecond, session.KvCacheBytes);
        }
        else
        {
            terminal.Output.WriteLine();
            terminal.Error.WriteLine(Units.Format($"{tokens.Count} tokens ({NameOf(tokens[^1].FinishReason)}), first after {untilFirst.TotalMilliseconds:0} ms, then {tokensPerSecond ?? 0:0.0} tokens/s, KV cache {Units.Bytes(session.KvCacheBytes)}"));
        }
        return ExitCode.Success;
    }

    private static void WriteJson(Terminal terminal, string prompt, string text, List<GeneratedToken> tokens, TimeSpan untilFirst, double? tokensPerSecond, long kvCacheBytes) =>
        JsonOutput.Write(terminal, writer =>
        {
            writer.WriteString("prompt", prompt);
            writer.WriteString("text", text);
            writer.WriteString("finish_reason", NameOf(tokens[^1].FinishReason));
            writer.WriteNumber("first_token_seconds", untilFirst.TotalSeconds);
            writer.WriteNumberOrNull("tokens_per_second", tokensPerSecond);
            writer.WriteNumber("kv_cache_bytes", kvCacheBytes);
            writer.WriteStartArray("tokens");
            foreach (GeneratedToken token in tokens)
            {
                writer.WriteStartObject();
                writer.WriteNumber("id", token.Id);
                writer.WriteString("text", token.Text);
                writer.WriteNumberOrNull("log_probability", token.LogProbability);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        });

    private static string NameOf(FinishReason? reason) => reason switch
    {
        FinishReason.EndOfSequence => "end_of_sequence",
        FinishReason.StopString => "stop_string",
        FinishReason.MaxNewTokens => "max_new_tokens",
        _ => "context_full",
    };
}

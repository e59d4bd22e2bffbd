using System.Runtime.CompilerServices;
using System.Threading.Channels;
using NativeQuant.Models.Tokenizers;

namespace NativeQuant.Models;

public sealed partial class GenerationSession
{
    // Tokens computed ahead of a consumer that is slower than the model.
    private const int TokensAhead = 16;

    /// <summary>Continues the sequence with a prompt and generates, computing on a thread of its own.</summary>
    /// <param name="prompt">The text; tokenized with the special tokens of the model's tokenizer (such as BOS) if the session is empty, else without.</param>
    /// <param name="options">Null: the defaults, that is greedy.</param>
    /// <param name="cancellationToken">Polled before every layer, in prompts too. Cancelling throws <see cref="OperationCanceledException"/>.</param>
    /// <returns>One element per generated token. Leaving the loop early stops the computation.</returns>
    /// <exception cref="InvalidOperationException">The model has no tokenizer, or the session is in use (at the first element).</exception>
    /// <exception cref="ArgumentException">The prompt is empty or too long, or an option is out of range.</exception>
    /// <exception cref="InvalidLogitsException">The model computes NaN or infinity (at the element it would be drawn for).</exception>
    public IAsyncEnumerable<GeneratedToken> GenerateAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        GenerateAsync(Encode(prompt), options, cancellationToken);

    /// <summary>Continues the sequence with prompt ids and generates, computing on a thread of its own.</summary>
    /// <param name="promptIds">At least one id; copied.</param>
    /// <param name="options">Null: the defaults, that is greedy.</param>
    /// <param name="cancellationToken">Polled before every layer, in prompts too. Cancelling throws <see cref="OperationCanceledException"/>.</param>
    /// <returns>
    /// One element per generated token; the last has a <see cref="FinishReason"/>. Leaving the loop early stops the computation.
    /// Afterwards the session holds the prompt and every generated token but the last.
    /// </returns>
    /// <exception cref="InvalidOperationException">Stop strings without a tokenizer, or the session is in use (at the first element).</exception>
    /// <exception cref="ArgumentException">The prompt is empty or too long, an id is outside the vocabulary, or an option is out of range.</exception>
    /// <exception cref="InvalidLogitsException">The model computes NaN or infinity (at the element it would be drawn for).</exception>
    public IAsyncEnumerable<GeneratedToken> GenerateAsync(ReadOnlyMemory<int> promptIds, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        StreamAsync(CreateRun(promptIds.Span, options), cancellationToken);

    /// <summary>As <see cref="GenerateAsync(string, GenerationOptions?, CancellationToken)"/>, on the calling thread.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="options">Null: the defaults, that is greedy.</param>
    /// <param name="cancellationToken">Polled before every layer, in prompts too.</param>
    /// <returns>One element per generated token, computed when it is asked for.</returns>
    public IEnumerable<GeneratedToken> Generate(string prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        Generate(Encode(prompt), options, cancellationToken);

    /// <summary>As <see cref="GenerateAsync(ReadOnlyMemory{int}, GenerationOptions?, CancellationToken)"/>, on the calling thread.</summary>
    /// <param name="promptIds">At least one id; copied.</param>
    /// <param name="options">Null: the defaults, that is greedy.</param>
    /// <param name="cancellationToken">Polled before every layer, in prompts too.</param>
    /// <returns>One element per generated token, computed when it is asked for.</returns>
    public IEnumerable<GeneratedToken> Generate(ReadOnlyMemory<int> promptIds, GenerationOptions? options = null, CancellationToken cancellationToken = default) =>
        Iterate(CreateRun(promptIds.Span, options), cancellationToken);

    /// <summary>Checks prompt and options and prepares a generation; nothing is computed yet.</summary>
    internal GenerationRun CreateRun(ReadOnlySpan<int> promptIds, GenerationOptions? options)
    {
        options ??= new GenerationOptions();
        options.Validate();
        CheckIds(promptIds, nameof(promptIds));
        if (options.StopStrings.Count > 0 && _model.Tokenizer is null)
        {
            throw ModelErrors.NoTokenizer(nameof(GenerationOptions.StopStrings));
        }
        return new GenerationRun(this, _model, promptIds.ToArray(), options);
    }

    private int[] Encode(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        Tokenizer tokenizer = _model.Tokenizer ?? throw ModelErrors.NoTokenizer("A prompt in text");
        if (prompt.Length == 0)
        {
            throw ModelErrors.EmptyPrompt(nameof(prompt));
        }
        return [.. tokenizer.EncodeToIds(prompt, addSpecialTokens: Position == 0)];
    }

    private IEnumerable<GeneratedToken> Iterate(GenerationRun run, CancellationToken cancellationToken)
    {
        Enter();
        try
        {
            while (run.Step(out GeneratedToken token, cancellationToken))
            {
                yield return token;
            }
        }
        finally
        {
            Leave();
        }
    }

    private async IAsyncEnumerable<GeneratedToken> StreamAsync(GenerationRun run, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Enter();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Channel<GeneratedToken> channel = Channel.CreateBounded<GeneratedToken>(new BoundedChannelOptions(TokensAhead) { SingleReader = true, SingleWriter = true });
        Task producer = Task.Factory.StartNew(
            () => Produce(run, channel.Writer, stop.Token),
            CancellationToken.None,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default);
        try
        {
            // Not cancelled here but by the producer, which then hands over its exception.
            await foreach (GeneratedToken token in channel.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                yield return token;
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await producer.ConfigureAwait(false);
            Leave();
        }
    }

    private static void Produce(GenerationRun run, ChannelWriter<GeneratedToken> writer, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            while (run.Step(out GeneratedToken token, cancellationToken))
            {
                while (!writer.TryWrite(token))
                {
                    writer.WaitToWriteAsync(cancellationToken).AsTask().GetAwaiter().GetResult();
                }
            }
        }
        catch (Exception exception)
        {
            failure = exception;
        }
        writer.Complete(failure);
    }
}

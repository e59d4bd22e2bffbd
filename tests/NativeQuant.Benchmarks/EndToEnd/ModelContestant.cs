using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using NativeQuant.Benchmarks.Peers;
using NativeQuant.Models;

namespace NativeQuant.Benchmarks.EndToEnd;

/// <summary>
/// NativeQuant end to end, speaking the protocol of bench/peers/llama_model.cpp: <c>prefill N</c> is one pass over N tokens in an empty
/// context, <c>decode N [C]</c> N tokens one by one after C others; the answer is the time per token.
/// </summary>
internal sealed class ModelContestant : IDisposable
{
    private readonly CausalLM _model;
    private readonly GenerationSession _session;
    private readonly int _threads;
    private readonly float[] _logits;

    private ModelContestant(CausalLM model, DataType kvCacheType, int threads)
    {
        _model = model;
        _session = model.CreateSession(Math.Min(model.ContextLength, 16384), kvCacheType);
        _threads = threads;
        _logits = new float[model.VocabularySize];
    }

    /// <summary>Loads a model and answers until input ends.</summary>
    public static void Serve(string folder, string format, int threads, TextReader input, TextWriter output)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { ThreadCount = threads });
        ModelFormat chosen = ModelFormat.All.Single(f => f.Name == format);
        using CausalLM model = CausalLM.Load(folder, chosen.Options with { Device = device });
        using var contestant = new ModelContestant(model, chosen.KvCacheType, threads);
        contestant.Decode(4, 0);
        Write(output, new Readiness(NativeRuntime.BuildInfo, device.Implementation, contestant.BytesPerToken, 0));
        while (input.ReadLine() is { } request)
        {
            Write(output, contestant.Answer(request.Split(' ')));
        }
    }

    public void Dispose() => _session.Dispose();

    // The embedding gives one row only.
    private double BytesPerToken => _model.LoadReport.Weights.Where(static w => !w.Name.Contains("embed_tokens", StringComparison.Ordinal)).Sum(static w => w.ResidentBytes);

    private Sample Answer(string[] request) => request switch
    {
        ["prefill", string count] => Prefill(Number(count)),
        ["decode", string count] => Decode(Number(count), 0),
        ["decode", string count, string context] => Decode(Number(count), Number(context)),
        _ => throw new ArgumentException($"unknown request '{string.Join(' ', request)}'", nameof(request)),
    };

    private Sample Prefill(int count)
    {
        int[] ids = [.. Enumerable.Range(0, count).Select(Token)];
        _session.Reset();
        Sample time = Measure(() => _session.Forward(ids, _logits));
        return new Sample(time.Wall / count, time.Cpu / count);
    }

    // A context that is there already, from the request before, is not computed again.
    private Sample Decode(int count, int context)
    {
        _session.Truncate(Math.Min(_session.Position, context));
        if (_session.Position < context)
        {
            int[] ids = [.. Enumerable.Range(_session.Position, context - _session.Position).Select(Token)];
            _session.Forward(ids, []);
        }
        Sample[] times = new Sample[count];
        for (int i = 0; i < count; i++)
        {
            int id = Token(i);
            times[i] = Measure(() => _session.Forward([id], _logits));
        }
        return new Sample(Statistics.Median(times.Select(static t => t.Wall)), Statistics.Median(times.Select(static t => t.Cpu)));
    }

    private Sample Measure(Action work)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        work();
        return new Sample(Stopwatch.GetElapsedTime(start).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds / _threads);
    }

    private int Token(int i) => ((i * 7919) + 11) % _model.VocabularySize;

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static void Write<T>(TextWriter output, T value)
    {
        output.WriteLine(JsonSerializer.Serialize(value, JsonSerializerOptions.Web));
        output.Flush();
    }
}

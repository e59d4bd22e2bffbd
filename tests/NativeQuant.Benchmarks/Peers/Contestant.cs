using System.Diagnostics;
using System.Text.Json;

namespace NativeQuant.Benchmarks.Peers;

/// <summary>A running program that speaks the protocol of bench/peers/contestant.h: a line of JSON when it is ready, then a sample for each line it is sent.</summary>
internal sealed class Contestant : IDisposable
{
    private readonly Process _process;

    private Contestant(Process process, Readiness readiness) => (_process, Readiness) = (process, readiness);

    /// <summary>What the program said it is.</summary>
    public Readiness Readiness { get; }

    /// <summary>Starts a program and waits until it is ready.</summary>
    /// <exception cref="InvalidOperationException">It ended instead; the message is what it wrote last.</exception>
    public static Contestant Start(ContestantProgram program)
    {
        var start = new ProcessStartInfo(program.Executable, program.Arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = program.Folder,
        };
        foreach ((string name, string value) in program.Environment)
        {
            start.Environment[name] = value;
        }
        Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program.Executable} did not start");
        string lastError = "";
        process.ErrorDataReceived += (_, line) => lastError = line.Data is { Length: > 0 } text ? text : lastError;
        process.BeginErrorReadLine();
        try
        {
            return new Contestant(process, Read<Readiness>(process));
        }
        catch (InvalidOperationException)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
            throw new InvalidOperationException($"{program.Executable}: {lastError}");
        }
    }

    /// <summary>Asks for one sample.</summary>
    public Sample Ask(string request = "")
    {
        _process.StandardInput.WriteLine(request);
        _process.StandardInput.Flush();
        return Read<Sample>(_process);
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(5)))
        {
            _process.Kill();
        }
        _process.Dispose();
    }

    private static T Read<T>(Process process)
    {
        string line = process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("it ended early");
        return JsonSerializer.Deserialize<T>(line, JsonSerializerOptions.Web) ?? throw new InvalidOperationException($"it wrote '{line}'");
    }
}

using System.Runtime.InteropServices;
using System.Text.Json;
using NativeQuant.Cli.Output;

namespace NativeQuant.Cli.Diagnosis;

/// <summary>What NativeQuant finds on this machine.</summary>
internal sealed class MachineReport
{
    private static readonly string Version = typeof(MachineReport).Assembly.GetName().Version?.ToString(3) ?? "unknown";

    private string _libraryPath = "";
    private string _libraryAbi = "";
    private string _libraryBuild = "";
    private string _cpuFeatures = "";
    private IReadOnlyList<CpuImplementation> _implementations = [];
    private HostMemory? _memory;
    private string? _chosen;
    private int _threads;
    private string? _cpuProblem;
    private IReadOnlyList<CudaDevice> _gpus = [];
    private string? _gpu;
    private string? _gpuProblem;

    /// <summary>Why the native library cannot be used; null if it can.</summary>
    public NativeLibraryLoadException? LibraryProblem { get; private set; }

    public static MachineReport Collect()
    {
        MachineReport report = new();
        try
        {
            report.CollectLibrary();
        }
        catch (NativeLibraryLoadException problem)
        {
            report.LibraryProblem = problem;
            return report;
        }
        (report._chosen, report._threads, report._cpuProblem) = TryOpen("cpu");
        report.CollectGpus();
        return report;
    }

    private void CollectGpus()
    {
        try
        {
            _gpus = NativeRuntime.CudaDevices;
        }
        catch (NativeQuantException problem)
        {
            _gpuProblem = problem.Message;
            return;
        }
        (_gpu, _, _gpuProblem) = TryOpen("cuda:0");
    }

    private void CollectLibrary()
    {
        _libraryPath = NativeRuntime.LibraryPath;
        _libraryAbi = NativeRuntime.AbiVersion.ToString();
        _libraryBuild = NativeRuntime.BuildInfo;
        _cpuFeatures = NativeRuntime.CpuFeatures;
        _implementations = NativeRuntime.CpuImplementations;
        _memory = NativeRuntime.HostMemory;
    }

    private static (string? Implementation, int Threads, string? Problem) TryOpen(string name)
    {
        try
        {
            using Device device = Device.Open(name);
            return (device.Implementation, device.ThreadCount, null);
        }
        catch (Exception problem) when (problem is NativeQuantException or ArgumentException or NotSupportedException)
        {
            return (null, 0, problem.Message);
        }
    }

    public void WriteText(TextWriter output)
    {
        Line("nativequant", Version);
        Line("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.RuntimeIdentifier}");
        Line(".NET", RuntimeInformation.FrameworkDescription);
        if (LibraryProblem is not null)
        {
            Line("native library", "cannot be loaded");
            return;
        }
        Line("native library", _libraryPath);
        Line("", $"{_libraryBuild}, ABI {_libraryAbi}");
        Line("processor", $"{Environment.ProcessorCount} processors: {_cpuFeatures}");
        foreach (CpuImplementation implementation in _implementations)
        {
            Line(implementation.IsSelected ? "cpu *" : "cpu", $"{implementation.Name}: {implementation.Description}{Missing(implementation)}");
        }
        Line("chosen", _chosen is null ? _cpuProblem! : $"{_chosen}, {_threads} threads");
        Line("memory", _memory is { } memory ? $"{Units.Bytes(memory.AvailableBytes)} available of {Units.Bytes(memory.TotalBytes)}" : "unknown");
        for (int i = 0; i < _gpus.Count; i++)
        {
            CudaDevice gpu = _gpus[i];
            Line($"cuda:{i}", $"{gpu.Name}: compute capability {gpu.ComputeCapability}, {gpu.Multiprocessors} multiprocessors, {Units.Bytes(gpu.MemoryBytes)}, driver for CUDA {gpu.DriverVersion}");
        }
        Line("gpu", _gpu ?? $"none: {_gpuProblem}");

        void Line(string label, string text) => output.WriteLine($"{label,-16}{text}");
    }

    private static string Missing(CpuImplementation implementation) => implementation.IsSupported ? "" : $" (not here: needs {implementation.RequiredFeatures})";

    public void WriteJson(Utf8JsonWriter writer)
    {
        writer.WriteString("version", Version);
        writer.WriteString("system", RuntimeInformation.OSDescription);
        writer.WriteString("runtime_identifier", RuntimeInformation.RuntimeIdentifier);
        writer.WriteString("framework", RuntimeInformation.FrameworkDescription);
        writer.WriteStartObject("native_library");
        if (LibraryProblem is { } problem)
        {
            writer.WriteString("error", problem.Message);
            writer.WriteEndObject();
            return;
        }
        writer.WriteString("path", _libraryPath);
        writer.WriteString("abi", _libraryAbi);
        writer.WriteString("build", _libraryBuild);
        writer.WriteEndObject();
        WriteCpu(writer);
        WriteMemory(writer);
        WriteGpu(writer);
    }

    private void WriteGpu(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("gpu");
        writer.WriteBoolean("available", _gpu is not null);
        writer.WriteString(_gpu is null ? "reason" : "implementation", _gpu ?? _gpuProblem);
        writer.WriteStartArray("devices");
        foreach (CudaDevice gpu in _gpus)
        {
            writer.WriteStartObject();
            writer.WriteString("name", gpu.Name);
            writer.WriteString("compute_capability", gpu.ComputeCapability.ToString());
            writer.WriteNumber("multiprocessors", gpu.Multiprocessors);
            writer.WriteNumber("memory_bytes", gpu.MemoryBytes);
            writer.WriteString("cuda_version", gpu.DriverVersion.ToString());
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private void WriteCpu(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("cpu");
        writer.WriteNumber("processors", Environment.ProcessorCount);
        writer.WriteStartArray("features");
        foreach (string feature in _cpuFeatures.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            writer.WriteStringValue(feature);
        }
        writer.WriteEndArray();
        writer.WriteStartArray("implementations");
        foreach (CpuImplementation implementation in _implementations)
        {
            writer.WriteStartObject();
            writer.WriteString("name", implementation.Name);
            writer.WriteString("description", implementation.Description);
            writer.WriteString("requires", implementation.RequiredFeatures);
            writer.WriteBoolean("supported", implementation.IsSupported);
            writer.WriteBoolean("selected", implementation.IsSelected);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteString("implementation", _chosen);
        writer.WriteNumber("threads", _threads);
        if (_cpuProblem is not null)
        {
            writer.WriteString("error", _cpuProblem);
        }
        writer.WriteEndObject();
    }

    private void WriteMemory(Utf8JsonWriter writer)
    {
        if (_memory is { } memory)
        {
            writer.WriteStartObject("memory");
            writer.WriteNumber("total_bytes", memory.TotalBytes);
            writer.WriteNumber("available_bytes", memory.AvailableBytes);
            writer.WriteEndObject();
        }
    }
}

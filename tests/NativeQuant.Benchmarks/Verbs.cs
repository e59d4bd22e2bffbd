using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters.Json;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using NativeQuant.Benchmarks.EndToEnd;
using NativeQuant.Benchmarks.Peers;
using NativeQuant.Benchmarks.Report;
using Spectre.Console;

namespace NativeQuant.Benchmarks;

/// <summary>What the program does, by its first argument. All run in the root of the repository.</summary>
internal static class Verbs
{
    private const string Results = "artifacts/benchmarks";

    /// <summary>BenchmarkDotNet. Short jobs in this process, so that a run takes a minute and needs neither compiler nor network.</summary>
    public static int MeasureManagedLayer(string[] arguments)
    {
        Job job = Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance);
        IConfig config = ManualConfig.CreateEmpty()
            .AddJob(job)
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(DefaultColumnProviders.Instance)
            .AddLogger(ConsoleLogger.Default)
            .AddExporter(JsonExporter.Brief)
            .WithArtifactsPath(Results);
        BenchmarkSwitcher.FromAssembly(typeof(Verbs).Assembly).Run(arguments.Length == 0 ? ["--filter", "*"] : arguments, config);
        return 0;
    }

    /// <summary>Products beside the rivals'.</summary>
    /// <param name="work">The folder that bench/peers/setup.sh filled.</param>
    /// <param name="names">Cases to run, as their names begin; none: all.</param>
    public static int CompareKernels(string work, string[] names)
    {
        var comparison = new KernelComparison(Folder(work), Path.Combine(Results, "kernels"));
        foreach (KernelCase product in KernelCases.All.Where(c => IsWanted(c.Name, names)))
        {
            KernelTable.Of(comparison.Run(product)).Print(Terminal());
        }
        return 0;
    }

    /// <summary>Models beside llama.cpp's, as <see cref="CompareKernels"/>.</summary>
    public static int CompareModels(string work, string[] names)
    {
        var comparison = new ModelComparison(Folder(work), Path.Combine(Results, "models"));
        foreach (ModelCase model in ModelCases.All.Where(c => IsWanted(c.Name, names)))
        {
            ModelTable.Of(comparison.Run(model)).Print(Terminal());
        }
        return 0;
    }

    /// <summary>The results of the native benchmarks as tables.</summary>
    public static int PrintNativeResults()
    {
        foreach (TextTable table in NativeTables.Of(Results))
        {
            table.Print(Terminal());
        }
        return 0;
    }

    /// <summary>All results as a document and a chart.</summary>
    public static int WriteDocument()
    {
        Document.Write(Results, "docs");
        return 0;
    }

    /// <summary>Our side of a comparison of models.</summary>
    public static int ServeModel(string folder, string format, string threads)
    {
        ModelContestant.Serve(folder, format, int.Parse(threads, CultureInfo.InvariantCulture), Console.In, Console.Out);
        return 0;
    }

    private static PeerFolder Folder(string work) => new(Path.GetFullPath(work), Directory.GetCurrentDirectory());

    private static bool IsWanted(string name, string[] beginnings) =>
        beginnings.Length == 0 || beginnings.Any(beginning => name.StartsWith(beginning, StringComparison.Ordinal));

    // Tables need their width, also where output goes to a file.
    private static IAnsiConsole Terminal()
    {
        IAnsiConsole console = AnsiConsole.Console;
        console.Profile.Width = Math.Max(console.Profile.Width, 120);
        return console;
    }
}

using NativeQuant.Testing;
using NUnit.Framework;

namespace NativeQuant.Package.Tests;

/// <summary>
/// A console project as a user would make it, in a temporary folder, with a package cache of its own: otherwise a package of the same version
/// that was restored before would be taken.
/// </summary>
internal sealed class ConsumerProject : IDisposable
{
    /// <summary>What the program returns when the native library cannot be loaded.</summary>
    public const int LoadFailureExitCode = 3;

    private const string Program = """
        using NativeQuant;
        using NativeQuant.Models;

        try
        {
            using CausalLM model = CausalLM.Load(args[0], new LoadOptions { Quantization = QuantizationConfig.NF4 });
            using GenerationSession session = model.CreateSession();
            GenerationOptions options = new() { MaxNewTokens = 12 };
            await foreach (GeneratedToken token in session.GenerateAsync("It was a dark and stormy night, and the old man", options))
            {
                Console.Write(token.Text);
            }
            Console.WriteLine();
            Console.WriteLine(FormattableString.Invariant($"{model.Memory.BitsPerQuantizedParameter:0.000} bits"));
            return 0;
        }
        catch (NativeLibraryLoadException failure)
        {
            Console.Error.WriteLine(failure.Message);
            return 3;
        }
        """;

    private readonly TemporaryFolder _folder = new();

    private ConsumerProject()
    {
    }

    public string Folder => _folder.Path;

    /// <summary>Makes the project and adds NativeQuant.Models, and nothing else.</summary>
    public static async Task<ConsumerProject> CreateAsync()
    {
        ConsumerProject project = new();
        await File.WriteAllTextAsync(project._folder.Combine("nuget.config"), ConfigurationWithFeed);
        await project.DotnetAsync("new", "console", "--name", "Consumer", "--output", ".", "--no-restore");
        await File.WriteAllTextAsync(project._folder.Combine("Program.cs"), Program);
        await project.DotnetAsync("add", "package", "NativeQuant.Models", "--version", PackageFeed.Version);
        return project;
    }

    /// <summary>NuGet configuration that adds the packages under test to the usual sources.</summary>
    public static string ConfigurationWithFeed => $"""
        <configuration>
          <config>
            <add key="globalPackagesFolder" value="packages" />
          </config>
          <packageSources>
            <add key="under-test" value="{PackageFeed.Folder}" />
          </packageSources>
        </configuration>
        """;

    /// <summary>Runs dotnet in the project's folder; it must succeed.</summary>
    public async Task DotnetAsync(params string[] arguments)
    {
        ChildProcessResult result = await ChildProcess.RunAsync("dotnet", arguments, Folder, TimeSpan.FromMinutes(5));
        Assert.That(result.ExitCode, Is.Zero, result.ToString());
    }

    /// <summary>Publishes for linux-x64 into a folder of the given name and returns that folder.</summary>
    public async Task<string> PublishAsync(string name, params string[] properties)
    {
        string output = _folder.Combine(name);
        await DotnetAsync(["publish", "-c", "Release", "-r", "linux-x64", "--self-contained", "false", "-o", output, .. properties]);
        return output;
    }

    /// <summary>Runs a program that was built, on the sample model, from another folder.</summary>
    public static Task<ChildProcessResult> RunAsync(string program) =>
        ChildProcess.RunAsync(program, [Repository.TinyLlama], Path.GetTempPath());

    public void Dispose() => _folder.Dispose();
}

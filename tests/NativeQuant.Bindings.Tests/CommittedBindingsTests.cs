namespace NativeQuant.Bindings.Tests;

/// <summary>The files in the repository are what the header gives, and the generator's command notices when they are not.</summary>
public class CommittedBindingsTests
{
    [Test]
    public void The_committed_bindings_are_what_the_header_gives()
    {
        Requires.Libclang();

        string? difference = BindingFiles.Of(Repository.Root, new LibclangHeaderParser()).FirstDifference();

        Assert.That(difference, Is.Null, "Run ./build.sh bindings and commit the result.");
    }

    [Test]
    public void The_command_writes_the_bindings_once_and_then_finds_them_up_to_date()
    {
        Requires.Libclang();
        using TemporaryFolder copy = CopyOfRepository();

        Assert.That(Generator(copy, "--check"), Is.EqualTo(1), "nothing is there yet");
        Assert.That(Generator(copy), Is.Zero);
        Assert.That(Generator(copy, "--check"), Is.Zero);
        Assert.That(Names(Path.Combine(copy.Path, "managed", "NativeQuant", "Interop")), Is.EqualTo(Names(Repository.InteropFolder)));
    }

    [Test]
    public void A_changed_line_a_missing_file_and_a_stale_file_are_differences()
    {
        Requires.Libclang();
        using TemporaryFolder copy = CopyOfRepository();
        BindingFiles files = BindingFiles.Of(copy.Path, new LibclangHeaderParser());
        files.Write();
        string enums = Path.Combine(copy.Path, "managed", "NativeQuant", "Interop", "NativeEnums.g.cs");
        string[] lines = File.ReadAllLines(enums);
        string original = File.ReadAllText(enums);

        int line = Array.IndexOf(lines, "    InvalidData = 7,");
        File.WriteAllText(enums, original.Replace("InvalidData = 7", "InvalidData = 70", StringComparison.Ordinal));
        Assert.That(files.FirstDifference(), Does.Contain($"NativeEnums.g.cs, line {line + 1}:").And.Contain("InvalidData = 7,").And.Contain("InvalidData = 70,"));

        File.WriteAllText(enums, original + "// more\n");
        Assert.That(files.FirstDifference(), Does.Contain($"NativeEnums.g.cs, line {lines.Length + 1}:").And.Contain("committed: // more"));

        File.Delete(enums);
        Assert.That(files.FirstDifference(), Is.EqualTo("NativeEnums.g.cs is missing."));

        Assert.That(files.Write(), Is.EqualTo(new[] { "NativeEnums.g.cs" }));
        copy.Write("managed/NativeQuant/Interop/NativeMethods.Old.g.cs", "");
        Assert.That(files.FirstDifference(), Is.EqualTo("NativeMethods.Old.g.cs is not generated from the header any more."));

        Assert.That(files.Write(), Is.EqualTo(new[] { "NativeMethods.Old.g.cs" }));
        Assert.That(files.FirstDifference(), Is.Null);
        Assert.That(files.Write(), Is.Empty);
    }

    [Test]
    public void A_broken_header_leaves_the_committed_files_alone()
    {
        Requires.Libclang();
        using TemporaryFolder copy = CopyOfRepository();
        copy.Write("native/include/nativequant/nativequant.h", "nq_status nq_f(;\n");
        string kept = copy.Write("managed/NativeQuant/Interop/NativeEnums.g.cs", "// as it was\n");

        (int exitCode, _, string errors) = Repository.Run("dotnet", copy.Path, Repository.GeneratorAssembly);

        Assert.That(exitCode, Is.EqualTo(3));
        Assert.That(errors, Does.Contain("nativequant.h is not valid C").And.Not.Contain("   at "));
        Assert.That(File.ReadAllText(kept), Is.EqualTo("// as it was\n"));
    }

    [Test]
    public void An_unknown_argument_shows_the_usage()
    {
        (int exitCode, _, string errors) = Repository.Run("dotnet", Repository.Root, Repository.GeneratorAssembly, "--colour");

        Assert.That(exitCode, Is.EqualTo(2));
        Assert.That(errors, Does.Contain("Usage:").And.Contain("--check"));
    }

    private static int Generator(TemporaryFolder folder, params string[] arguments) =>
        Repository.Run("dotnet", folder.Path, [Repository.GeneratorAssembly, .. arguments]).ExitCode;

    private static TemporaryFolder CopyOfRepository()
    {
        var folder = new TemporaryFolder();
        folder.Write("NativeQuant.sln", "");
        folder.Write("native/include/nativequant/nativequant.h", File.ReadAllText(Repository.Header));
        Directory.CreateDirectory(Path.Combine(folder.Path, "managed", "NativeQuant", "Interop"));
        return folder;
    }

    private static IEnumerable<string> Names(string folder) =>
        Directory.EnumerateFiles(folder, "*.g.cs").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);
}

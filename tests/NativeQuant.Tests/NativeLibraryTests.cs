using System.Runtime.InteropServices;
using NativeQuant.Interop;

namespace NativeQuant.Tests;

// Where the native library is looked for, and what is said when it is not found or does not fit.
[TestFixture]
public class NativeLibraryTests
{
    private string _folder = null!;

    private static NativeLibrarySearch Here => NativeLibrarySearch.OfThisProcess();

    private static string Library => Path.Combine(AppContext.BaseDirectory, Here.FileName);

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nativequant 模型 ").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void It_is_found_beside_the_application()
    {
        LoadedNativeLibrary loaded = (Here with { OverridePath = null }).Load();
        Assert.That(loaded.Path, Is.EqualTo(Library));
        Assert.That(loaded.AbiVersion, Is.EqualTo(new Version(NativeMethods.AbiVersionMajor, NativeMethods.AbiVersionMinor)));
    }

    [Test]
    public void It_is_found_in_the_folder_of_the_runtime_identifier()
    {
        string folder = Path.Combine(_folder, "runtimes", Here.RuntimeIdentifier, "native");
        Directory.CreateDirectory(folder);
        File.Copy(Library, Path.Combine(folder, Here.FileName));
        Assert.That(Nowhere().Load().Path, Is.EqualTo(Path.Combine(folder, Here.FileName)));
    }

    [Test]
    public void It_is_found_where_the_host_keeps_native_assets()
    {
        File.Copy(Library, Path.Combine(_folder, Here.FileName));
        NativeLibrarySearch search = Nowhere() with { BaseDirectory = "/nowhere", HostDirectories = ["/nowhere", _folder] };
        Assert.That(search.Load().Path, Is.EqualTo(Path.Combine(_folder, Here.FileName)));
    }

    [Test]
    public void The_cuda_library_is_found_beside_it_or_where_the_host_keeps_native_assets()
    {
        NativeLibrarySearch search = Nowhere() with { HostDirectories = ["/nowhere", _folder] };
        Assert.That(search.FindCudaLibrary(Library), Is.Null, "there is none");
        string hosted = Path.Combine(_folder, Here.CudaFileName);
        File.WriteAllText(hosted, "");
        Assert.That(search.FindCudaLibrary(Library), Is.EqualTo(hosted));
        string beside = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "beside")).FullName, Here.CudaFileName);
        File.WriteAllText(beside, "");
        Assert.That(search.FindCudaLibrary(Path.Combine(_folder, "beside", Here.FileName)), Is.EqualTo(beside));
        Assert.That(search.FindCudaLibrary(Here.FileName), Is.EqualTo(hosted), "loaded by the operating system's own search");
    }

    [Test]
    public void The_variable_may_name_the_file_or_its_folder()
    {
        string renamed = Path.Combine(_folder, "renamed");
        File.Copy(Library, renamed);
        Assert.That((Nowhere() with { OverridePath = renamed }).Load().Path, Is.EqualTo(renamed));
        Assert.That((Nowhere() with { OverridePath = AppContext.BaseDirectory }).Load().Path, Is.EqualTo(Library));
    }

    [Test]
    public void A_variable_that_names_nothing_is_an_error_even_where_the_library_is_found()
    {
        string missing = Path.Combine(_folder, "missing.so");
        NativeLibraryLoadException exception = Failure(Here with { OverridePath = missing });
        Assert.That(exception.Attempts, Is.EqualTo(new[] { $"{missing}: no such file" }));
        Assert.That(exception.Message, Does.Contain("NATIVEQUANT_LIBRARY_PATH").And.Contain(Here.RuntimeIdentifier).And.Contain(missing));
    }

    [Test]
    public void A_missing_library_gives_every_path_tried_and_what_to_do()
    {
        // A name of its own: the operating system finds a library by name that is already loaded.
        const string name = "libabsent.so";
        NativeLibraryLoadException exception = Failure(Nowhere() with { FileName = name, HostDirectories = [Path.Combine(_folder, "packages")] });
        Assert.That(exception.Attempts.Take(3), Is.EqualTo(new[]
        {
            $"{Path.Combine(_folder, name)}: no such file",
            $"{Path.Combine(_folder, "runtimes", Here.RuntimeIdentifier, "native", name)}: no such file",
            $"{Path.Combine(_folder, "packages", name)}: no such file",
        }));
        Assert.That(exception.Attempts, Has.Count.EqualTo(4));
        Assert.That(exception.Attempts[3], Does.StartWith(name + ": ").And.Contain("cannot open shared object file"), "the loader's own words");
        Assert.That(exception.RuntimeIdentifier, Is.EqualTo(Here.RuntimeIdentifier));
        Assert.That(exception.Message, Does.Contain($"dotnet add package NativeQuant.Runtime.{Here.RuntimeIdentifier}"));
        Assert.That(exception.Message, Does.Contain($"{NativeMethods.AbiVersionMajor}.{NativeMethods.AbiVersionMinor}"), "the version wanted");
        Assert.That(exception.Attempts, Is.All.Matches<string>(exception.Message.Contains));
    }

    [Test]
    public void A_runtime_without_a_package_is_told_so()
    {
        NativeLibraryLoadException exception = Failure(Nowhere() with { FileName = "libabsent.so", RuntimeIdentifier = "linux-riscv64" });
        Assert.That(exception.Message, Does.Contain("no package for linux-riscv64").And.Not.Contain("dotnet add package"));
    }

    [Test]
    public void A_file_that_is_no_library_gives_the_words_of_the_loader()
    {
        string file = Path.Combine(_folder, Here.FileName);
        File.WriteAllText(file, "not a library");
        NativeLibraryLoadException exception = Failure(Nowhere() with { OverridePath = file });
        Assert.That(exception.Attempts, Has.Count.EqualTo(1));
        Assert.That(exception.Attempts[0], Does.StartWith(file).And.Contain("too short").Or.Contain("invalid ELF header"));
    }

    [Test]
    public void Another_library_is_told_apart()
    {
        string other = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "libSystem.Native.so");
        NativeLibraryLoadException exception = Failure(Nowhere() with { OverridePath = other });
        Assert.That(exception.Attempts[0], Does.Contain("nq_abi_version"));
    }

    [TestCase(1, 0)]
    [TestCase(0, 1)]
    [TestCase(-1, 0)]
    public void Another_version_of_the_interface_gives_what_was_wanted_and_what_was_found(int major, int minor)
    {
        var wanted = new Version(NativeMethods.AbiVersionMajor + major, NativeMethods.AbiVersionMinor + minor);
        NativeLibraryLoadException exception = Failure(Here with { OverridePath = Library, Wanted = wanted });
        Assert.That(
            exception.Attempts[0],
            Does.Contain($"version {NativeMethods.AbiVersionMajor}.{NativeMethods.AbiVersionMinor}").And.Contain($"wanted {wanted.Major}.{wanted.Minor}"));
    }

    [Test]
    public void The_library_tells_what_it_is_and_what_it_finds()
    {
        Assert.That(NativeRuntime.LibraryPath, Does.Contain(NativeMethods.Library));
        Assert.That(NativeRuntime.AbiVersion.Major, Is.EqualTo(NativeMethods.AbiVersionMajor));
        Assert.That(NativeRuntime.BuildInfo, Is.Not.Empty);
        Assert.That(NativeRuntime.CpuFeatures, Is.Not.Empty);
        Assert.That(NativeRuntime.HostMemory.TotalBytes, Is.GreaterThan(1 << 20));
        Assert.That(NativeRuntime.HostMemory.AvailableBytes, Is.InRange(1, NativeRuntime.HostMemory.TotalBytes));
    }

    [Test]
    public void The_scalar_implementation_runs_everywhere_and_one_implementation_is_selected()
    {
        IReadOnlyList<CpuImplementation> implementations = NativeRuntime.CpuImplementations;
        Assert.That(implementations.Single(implementation => implementation.Name == "scalar").IsSupported);
        Assert.That(implementations.Count(implementation => implementation.IsSelected), Is.EqualTo(1));
        Assert.That(implementations.Single(implementation => implementation.IsSelected).IsSupported);
        Assert.That(implementations.Select(implementation => implementation.Name), Is.Unique);
        Assert.That(implementations.Select(implementation => implementation.Description), Is.All.Not.Empty);
    }

    // A search that finds nothing by itself.
    private NativeLibrarySearch Nowhere() => Here with { OverridePath = null, BaseDirectory = _folder, HostDirectories = [] };

    private static NativeLibraryLoadException Failure(NativeLibrarySearch search) => Assert.Throws<NativeLibraryLoadException>(() => search.Load())!;
}

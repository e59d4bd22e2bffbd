using System.Runtime.InteropServices;

namespace NativeQuant.Interop;

// Where the native library may lie, in order:
//   1. NATIVEQUANT_LIBRARY_PATH, a file or a folder; if it is set nothing else is tried, so that a mistake in it is seen
//   2. beside the application
//   3. runtimes/{rid}/native below the application
//   4. the directories that the host knows to hold native assets of packages (deps.json, single-file extraction)
//   5. the operating system's own search
internal sealed record NativeLibrarySearch
{
    // Runtime identifiers for which there is a NativeQuant.Runtime package.
    public static readonly string[] PackagedRuntimes = ["linux-x64"];

    public string? OverridePath { get; init; }

    public required string BaseDirectory { get; init; }

    public required string RuntimeIdentifier { get; init; }

    public required string FileName { get; init; }

    public required string CudaFileName { get; init; }

    public IReadOnlyList<string> HostDirectories { get; init; } = [];

    public Version Wanted { get; init; } = new(NativeMethods.AbiVersionMajor, NativeMethods.AbiVersionMinor);

    public static NativeLibrarySearch OfThisProcess() => new()
    {
        OverridePath = Environment.GetEnvironmentVariable(NativeLibraryLoader.PathVariable),
        BaseDirectory = AppContext.BaseDirectory,
        RuntimeIdentifier = PortableRuntimeIdentifier(),
        FileName = PlatformFileName(NativeMethods.Library),
        CudaFileName = PlatformFileName($"{NativeMethods.Library}_cuda"),
        HostDirectories = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(
            Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries),
    };

    public LoadedNativeLibrary Load()
    {
        var attempts = new List<NativeLibraryAttempt>();
        foreach (string candidate in Candidates())
        {
            LoadedNativeLibrary? loaded = Try(candidate, out string outcome);
            if (loaded is not null)
            {
                return loaded;
            }

            attempts.Add(new NativeLibraryAttempt(candidate, outcome));
        }

        throw Errors.NativeLibraryNotLoaded(RuntimeIdentifier, FileName, Wanted, attempts, isOverride: !string.IsNullOrEmpty(OverridePath));
    }

    /// <summary>The CUDA library beside the native library or in the other places of the search; null: there is none.</summary>
    public string? FindCudaLibrary(string loadedPath)
    {
        IEnumerable<string> directories = Directories;
        if (Path.GetDirectoryName(loadedPath) is { Length: > 0 } beside)
        {
            directories = directories.Prepend(beside);
        }

        return directories.Select(directory => Path.GetFullPath(Path.Combine(directory, CudaFileName))).FirstOrDefault(File.Exists);
    }

    private IEnumerable<string> Directories => [BaseDirectory, Path.Combine(BaseDirectory, "runtimes", RuntimeIdentifier, "native"), .. HostDirectories];

    private IEnumerable<string> Candidates()
    {
        if (!string.IsNullOrEmpty(OverridePath))
        {
            string path = Path.GetFullPath(OverridePath);
            return [Directory.Exists(path) ? Path.Combine(path, FileName) : path];
        }

        return Directories.Select(directory => Path.GetFullPath(Path.Combine(directory, FileName))).Append(FileName).Distinct();
    }

    private LoadedNativeLibrary? Try(string path, out string outcome)
    {
        // The loader's word for a missing file is longer and says no more.
        if (Path.IsPathRooted(path) && !File.Exists(path))
        {
            outcome = "no such file";
            return null;
        }

        nint handle;
        try
        {
            handle = NativeLibrary.Load(path);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            outcome = LoaderText(exception.Message);
            return null;
        }

        if (ReadAbiVersion(handle) is not { } found)
        {
            outcome = "loaded, but is not NativeQuant's library (it exports no nq_abi_version)";
        }
        else if (found.Major != Wanted.Major || found.Minor < Wanted.Minor)
        {
            outcome = $"loaded, but has interface version {found.Major}.{found.Minor}; wanted {Wanted.Major}.{Wanted.Minor} or a later {Wanted.Major}.x";
        }
        else
        {
            outcome = "";
            return new LoadedNativeLibrary(handle, path, found);
        }

        NativeLibrary.Free(handle);
        return null;
    }

    private static unsafe Version? ReadAbiVersion(nint handle)
    {
        if (!NativeLibrary.TryGetExport(handle, nameof(NativeMethods.nq_abi_version), out nint address))
        {
            return null;
        }

        uint version = ((delegate* unmanaged[Cdecl]<uint>)address)();
        return new Version((int)(version >> 16), (int)(version & 0xFFFF));
    }

    // The runtime's message is a line of general advice, then the loader's own lines.
    private static string LoaderText(string message)
    {
        string[] lines = message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length > 1 ? string.Join("; ", lines.Skip(1)) : message;
    }

    private static string PlatformFileName(string library) =>
        OperatingSystem.IsWindows() ? $"{library}.dll"
        : OperatingSystem.IsMacOS() ? $"lib{library}.dylib"
        : $"lib{library}.so";

    // Packages use portable identifiers; what the runtime reports may name a distribution.
    private static string PortableRuntimeIdentifier()
    {
        string reported = RuntimeInformation.RuntimeIdentifier;
        string system = OperatingSystem.IsWindows() ? "win"
            : OperatingSystem.IsMacOS() ? "osx"
            : reported.Contains("musl", StringComparison.Ordinal) || reported.StartsWith("alpine", StringComparison.Ordinal) ? "linux-musl"
            : "linux";
        return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
    }
}

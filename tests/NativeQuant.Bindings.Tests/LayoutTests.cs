using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeQuant.Bindings.Tests;

/// <summary>Sizes, offsets and enumeration values: the C compiler's, the parser's and .NET's are one.</summary>
public class LayoutTests
{
    private HeaderModel _header = null!;
    private Dictionary<string, long> _compiled = null!;

    [OneTimeSetUp]
    public void Compile_a_program_that_prints_every_number()
    {
        _header = Repository.ParseHeader();
        using var folder = new TemporaryFolder();
        folder.Write("layout.c", LayoutProgram.Write(_header));
        (int exitCode, _, string errors) = Repository.Run(
            "cc", folder.Path, "-std=c11", "-Wall", "-Werror", "-I", Path.Combine(Repository.Root, "native", "include"), "layout.c", "-o", "layout");
        Assert.That(exitCode, Is.Zero, errors);
        (exitCode, string output, errors) = Repository.Run(Path.Combine(folder.Path, "layout"), folder.Path);
        Assert.That(exitCode, Is.Zero, errors);
        _compiled = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '))
            .ToDictionary(words => words[0], words => long.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture));
    }

    [Test]
    public void Structures_have_the_compilers_size_and_offsets()
    {
        Assert.That(_header.Structs, Has.Count.GreaterThanOrEqualTo(6));
        Assert.Multiple(() =>
        {
            foreach (StructModel model in _header.Structs)
            {
                (int size, Dictionary<string, int> offsets) = ManagedLayout(Managed(model.Name));
                Assert.That(size, Is.EqualTo(_compiled[model.Name]), $"size of {model.Name}");
                Assert.That(model.Size, Is.EqualTo(size), $"parsed size of {model.Name}");
                Assert.That(offsets, Has.Count.EqualTo(model.Fields.Count), $"fields of {model.Name}");
                foreach (FieldModel field in model.Fields)
                {
                    Assert.That(offsets[ManagedName.Field(field.Name)], Is.EqualTo(_compiled[$"{model.Name}.{field.Name}"]), $"offset of {model.Name}.{field.Name}");
                    Assert.That(field.Offset, Is.EqualTo(_compiled[$"{model.Name}.{field.Name}"]), $"parsed offset of {model.Name}.{field.Name}");
                }
            }
        });
    }

    [Test]
    public void Enumerations_have_the_compilers_size_and_values()
    {
        Assert.That(_header.Enums, Has.Count.GreaterThanOrEqualTo(4));
        Assert.Multiple(() =>
        {
            foreach (EnumModel model in _header.Enums)
            {
                Type type = Managed(model.Name);
                Assert.That(Marshal.SizeOf(Enum.GetUnderlyingType(type)), Is.EqualTo(_compiled[model.Name]), $"size of {model.Name}");
                IReadOnlyList<string> names = ManagedName.EnumMembers([.. model.Members.Select(m => m.Name)]);
                Assert.That(Enum.GetNames(type), Is.EquivalentTo(names), $"members of {model.Name}");
                foreach ((string name, EnumMemberModel member) in names.Zip(model.Members))
                {
                    Assert.That(Convert.ToInt64(Enum.Parse(type, name), null), Is.EqualTo(_compiled[member.Name]), member.Name);
                }
            }
        });
    }

    [Test]
    public void Version_constants_have_the_compilers_values()
    {
        Assert.That((long)NativeMethods.AbiVersionMajor, Is.EqualTo(_compiled["NQ_ABI_VERSION_MAJOR"]));
        Assert.That((long)NativeMethods.AbiVersionMinor, Is.EqualTo(_compiled["NQ_ABI_VERSION_MINOR"]));
    }

    private static Type Managed(string cName) =>
        typeof(NativeMethods).Assembly.GetType($"NativeQuant.Interop.{ManagedName.Type(cName)}", throwOnError: true)!;

    private static (int Size, Dictionary<string, int> Offsets) ManagedLayout(Type type) =>
        ((int, Dictionary<string, int>))typeof(LayoutTests)
            .GetMethod(nameof(MeasureLayout), BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(type)
            .Invoke(null, null)!;

    // Each byte of the structure holds its own position, so the lowest byte of a field's value is the field's offset.
    private static (int Size, Dictionary<string, int> Offsets) MeasureLayout<T>()
        where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        Assert.That(bytes.Length, Is.LessThanOrEqualTo(256));
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)i;
        }

        object value = MemoryMarshal.Read<T>(bytes);
        return (bytes.Length, typeof(T).GetFields().ToDictionary(field => field.Name, field => LowestByte(field.GetValue(value)!)));
    }

    private static unsafe int LowestByte(object value) => value switch
    {
        Pointer pointer => (byte)(nint)Pointer.Unbox(pointer),
        nint number => (byte)number,
        float number => (byte)BitConverter.SingleToInt32Bits(number),
        Enum number => (byte)Convert.ToInt64(number, null),
        ulong number => (byte)number,
        { } structure when !structure.GetType().IsPrimitive => structure.GetType().GetFields().Min(field => LowestByte(field.GetValue(structure)!)),
        _ => (byte)Convert.ToInt64(value, null),
    };
}

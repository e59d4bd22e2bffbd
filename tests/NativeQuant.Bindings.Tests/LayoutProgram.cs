using System.Text;

namespace NativeQuant.Bindings.Tests;

/// <summary>Writes a C program that prints one "name value" line for each size, offset, enumerator and constant of a header.</summary>
internal static class LayoutProgram
{
    internal static string Write(HeaderModel header)
    {
        var text = new StringBuilder("#include <nativequant/nativequant.h>\n#include <stdio.h>\n\nint main(void)\n{\n");
        void Print(string name, string expression) => text.Append("    printf(\"%s %lld\\n\", \"").Append(name).Append("\", (long long)").Append(expression).Append(");\n");

        foreach (StructModel model in header.Structs)
        {
            Print(model.Name, $"sizeof({model.Name})");
            foreach (FieldModel field in model.Fields)
            {
                Print($"{model.Name}.{field.Name}", $"offsetof({model.Name}, {field.Name})");
            }
        }

        foreach (EnumModel model in header.Enums)
        {
            Print(model.Name, $"sizeof({model.Name})");
            foreach (EnumMemberModel member in model.Members)
            {
                Print(member.Name, member.Name);
            }
        }

        foreach (ConstantModel constant in header.Constants)
        {
            Print(constant.Name, constant.Name);
        }

        return text.Append("    return 0;\n}\n").ToString();
    }
}

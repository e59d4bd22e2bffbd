namespace NativeQuant.BindingGenerator;

/// <summary>What a C header declares, free of any parser's types, in the order of the header.</summary>
internal sealed record HeaderModel(
    IReadOnlyList<ConstantModel> Constants,
    IReadOnlyList<EnumModel> Enums,
    IReadOnlyList<HandleModel> Handles,
    IReadOnlyList<StructModel> Structs,
    IReadOnlyList<FunctionModel> Functions);

/// <summary>A macro whose body is one integer literal.</summary>
internal sealed record ConstantModel(string Name, long Value);

/// <summary>An enumeration with its folded values.</summary>
internal sealed record EnumModel(string Name, string? Comment, IReadOnlyList<EnumMemberModel> Members);

/// <summary>One enumerator.</summary>
internal sealed record EnumMemberModel(string Name, long Value, string? Comment);

/// <summary>A structure declared but never defined: callers only hold pointers to it.</summary>
internal sealed record HandleModel(string Name, string? Comment);

/// <summary>A structure with its layout, sizes and offsets in bytes.</summary>
internal sealed record StructModel(string Name, string? Comment, int Size, int Alignment, IReadOnlyList<FieldModel> Fields);

/// <summary>A field of a structure.</summary>
internal sealed record FieldModel(string Name, CType Type, int Offset, string? Comment);

/// <summary>A function; <paramref name="Section"/> is the title of the last section comment above it, empty if there is none.</summary>
internal sealed record FunctionModel(string Name, string Section, string? Comment, CType ReturnType, IReadOnlyList<ParameterModel> Parameters);

/// <summary>A parameter with what its annotations say; <paramref name="SpanCount"/> is the text inside NQ_SPAN(...), or null.</summary>
internal sealed record ParameterModel(string Name, CType Type, bool IsOut, bool IsOwned, bool IsNullable, string? SpanCount);

/// <summary>The types a header may use.</summary>
internal enum CTypeKind
{
    Void,
    Char,
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Size,
    Float,
    Double,
    Enum,
    Struct,
    Handle,
    Pointer,
}

/// <summary>A C type: <paramref name="Name"/> is set for enumerations, structures and handles, <paramref name="Pointee"/> for pointers.</summary>
internal sealed record CType(CTypeKind Kind, bool IsConst = false, string? Name = null, CType? Pointee = null);

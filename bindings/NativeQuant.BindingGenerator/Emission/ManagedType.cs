namespace NativeQuant.BindingGenerator.Emission;

/// <summary>Decides the .NET type of each place a C type can stand in.</summary>
internal static class ManagedType
{
    /// <summary>Type of a structure's field: blittable, handles as raw nint.</summary>
    internal static string Field(StructModel structure, FieldModel field) =>
        Blittable(field.Type) ?? throw new HeaderException($"{structure.Name}: field '{field.Name}' is a pointer to a pointer; the generator has no mapping for that.");

    /// <summary>Type of a return value; a returned string stays a pointer, since the library owns it.</summary>
    internal static string Return(FunctionModel function) =>
        Blittable(function.ReturnType) ?? throw new HeaderException($"{function.Name}: it returns a pointer to a pointer; the generator has no mapping for that.");

    /// <summary>Type of a parameter with its modifier.</summary>
    /// <exception cref="HeaderException">The annotations do not say how the pointer is meant.</exception>
    internal static string Parameter(FunctionModel function, ParameterModel parameter)
    {
        CType type = parameter.Type;
        if (type.Kind is CTypeKind.Struct or CTypeKind.Handle)
        {
            throw Unsupported(function, parameter, "a structure by value");
        }

        return type.Pointee is CType pointee ? Pointer(function, parameter, pointee) : Value(type);
    }

    /// <summary>Whether a function ends a handle's life. Such a function takes the raw handle, as SafeHandle.ReleaseHandle has it.</summary>
    internal static bool IsDestroy(FunctionModel function) =>
        function.Name.EndsWith("_destroy", StringComparison.Ordinal)
        && function.Parameters is [{ Type.Pointee.Kind: CTypeKind.Handle }];

    private static string? Blittable(CType type) => type switch
    {
        { Pointee.Kind: CTypeKind.Handle } => "nint",
        { Pointee.Kind: CTypeKind.Pointer } => null,
        { Pointee: CType pointee } => Value(pointee) + "*",
        _ => Value(type),
    };

    private static string Pointer(FunctionModel function, ParameterModel parameter, CType pointee) => pointee.Kind switch
    {
        CTypeKind.Handle when IsDestroy(function) || parameter.IsNullable => "nint",
        CTypeKind.Handle => ManagedName.SafeHandle(pointee.Name!),
        CTypeKind.Pointer when parameter is { IsOut: true, IsOwned: true } && pointee.Pointee!.Kind == CTypeKind.Handle =>
            "out " + ManagedName.SafeHandle(pointee.Pointee.Name!),
        CTypeKind.Pointer => throw Unsupported(function, parameter, "a pointer to a pointer that is not NQ_OUT NQ_OWNED of a handle"),
        CTypeKind.Char when pointee.IsConst && parameter.SpanCount is null => parameter.IsNullable ? "string?" : "string",
        CTypeKind.Void when parameter.SpanCount is not null => "void*",
        _ when parameter.SpanCount is not null => pointee.IsConst ? $"ReadOnlySpan<{Value(pointee)}>" : $"Span<{Value(pointee)}>",
        CTypeKind.Struct when parameter.IsNullable => Value(pointee) + "*",
        CTypeKind.Struct when pointee.IsConst => "in " + Value(pointee),
        CTypeKind.Struct when !parameter.IsOut => "ref " + Value(pointee),
        CTypeKind.Void => throw Unsupported(function, parameter, "a void pointer without NQ_SPAN"),
        _ when parameter.IsOut && !parameter.IsNullable => "out " + Value(pointee),
        _ => throw Unsupported(function, parameter, "a pointer to numbers without NQ_OUT or NQ_SPAN"),
    };

    private static string Value(CType type) => type.Kind switch
    {
        CTypeKind.Void => "void",
        CTypeKind.Char or CTypeKind.UInt8 => "byte",
        CTypeKind.Int8 => "sbyte",
        CTypeKind.Int16 => "short",
        CTypeKind.UInt16 => "ushort",
        CTypeKind.Int32 => "int",
        CTypeKind.UInt32 => "uint",
        CTypeKind.Int64 => "long",
        CTypeKind.UInt64 => "ulong",
        CTypeKind.Size => "nuint",
        CTypeKind.Float => "float",
        CTypeKind.Double => "double",
        CTypeKind.Enum or CTypeKind.Struct => ManagedName.Type(type.Name!),
        _ => throw new ArgumentException($"A {type.Kind} is not a value.", nameof(type)),
    };

    private static HeaderException Unsupported(FunctionModel function, ParameterModel parameter, string what) =>
        new($"{function.Name}: parameter '{parameter.Name}' is {what}; the generator has no mapping for that.");
}

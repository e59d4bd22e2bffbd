namespace NativeQuant.BindingGenerator;

/// <summary>Turns a C header into a <see cref="HeaderModel"/>. The seam at which another parser can take libclang's place.</summary>
internal interface IHeaderParser
{
    /// <summary>Parses one header; declarations of the headers it includes are not part of the result.</summary>
    /// <exception cref="HeaderException">The header is not valid C, or uses a construct that has no mapping.</exception>
    HeaderModel Parse(string headerPath);
}

/// <summary>A header cannot be turned into bindings; the message says where and why.</summary>
internal sealed class HeaderException(string message) : Exception(message);

using System.Runtime.InteropServices;

namespace NativeQuant.Interop;

// Native texts are UTF-8 and stay the library's.
internal static unsafe class NativeText
{
    public static string ToManaged(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";
}

using NUnit.Framework;

namespace NativeQuant.Models.Tests;

internal static class Skip
{
    public static void Unless([System.Diagnostics.CodeAnalysis.DoesNotReturnIf(false)] bool condition, string reason)
    {
        if (!condition)
        {
            Assert.Ignore($"Skipped: {reason}");
            throw new IgnoreException(reason);
        }
    }
}

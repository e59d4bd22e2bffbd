using System.Runtime.CompilerServices;

// Every import is blittable after source generation; the runtime must not add marshalling of its own.
[assembly: DisableRuntimeMarshalling]

global using NativeQuant.BindingGenerator;
global using NativeQuant.BindingGenerator.Emission;
global using NativeQuant.BindingGenerator.Parsing;
global using NativeQuant.Interop;
global using NUnit.Framework;

using NativeQuant.Benchmarks;

// Without a verb: what the managed layer adds to a native call; arguments go to BenchmarkDotNet. The verbs belong to `./build.sh bench` and
// `./build.sh bench-peers`; see docs/benchmarks.md.
return args switch
{
    ["kernels", string work, .. string[] names] => Verbs.CompareKernels(work, names),
    ["models", string work, .. string[] names] => Verbs.CompareModels(work, names),
    ["model", string folder, string format, string threads] => Verbs.ServeModel(folder, format, threads),
    ["report"] => Verbs.PrintNativeResults(),
    ["document"] => Verbs.WriteDocument(),
    _ => Verbs.MeasureManagedLayer(args),
};

using NativeQuant.Cli;
using NativeQuant.Cli.Output;

return await NativeQuantCommandLine.RunAsync(args, Terminal.OfProcess()).ConfigureAwait(false);

using System.Text.Json;
using NativeQuant.Cli.Output;
using Spectre.Console;

namespace NativeQuant.Cli.Profiling;

/// <summary>Shows a profile as a table with its balance below it, or as JSON.</summary>
internal static class DecodeProfileTable
{
    public static void WriteText(Terminal terminal, DecodeProfile profile)
    {
        Table table = terminal.CreateTable();
        table.AddColumn("native function", static column => column.NoWrap());
        foreach (string heading in (string[])["calls/token", "us/token", "of step", "kernels us", "waiting us", "rest us", "other threads' kernels us"])
        {
            table.AddColumn(heading, static column => column.Alignment(Justify.Right));
        }
        foreach (FunctionProfile function in profile.Functions)
        {
            table.AddRow(
                Markup.Escape(function.Name),
                Units.Format($"{(double)function.Calls / profile.Tokens:0.#}"),
                PerToken(function.Total),
                Share(function.Total),
                PerToken(function.Kernel),
                PerToken(function.Wait),
                PerToken(function.Total - function.Kernel - function.Wait),
                PerToken(function.WorkerKernel));
        }
        terminal.Write(table);
        TextWriter output = terminal.Output;
        output.WriteLine();
        output.WriteLine(Units.Format($"{profile.Tokens} tokens on {profile.Threads} threads, {PerToken(profile.Total)} us each ({profile.Tokens / profile.Total.TotalSeconds:0.00} tokens/s). The generating thread:"));
        output.WriteLine($"  in kernels               {PerToken(profile.Kernel),10} us  {Share(profile.Kernel)}");
        output.WriteLine($"  waiting for threads      {PerToken(profile.Wait),10} us  {Share(profile.Wait)}");
        output.WriteLine($"  rest of native calls     {PerToken(profile.CallOverhead),10} us  {Share(profile.CallOverhead)}");
        output.WriteLine($"  managed code             {PerToken(profile.Managed),10} us  {Share(profile.Managed)}");
        output.WriteLine(Units.Format($"Outside kernels: {profile.OutsideKernels:0.0%} of the step. All threads together were in kernels for {profile.Utilization:0.0%} of their time."));

        string PerToken(TimeSpan time) => Units.Format($"{time.TotalMicroseconds / profile.Tokens:0.0}");
        string Share(TimeSpan time) => Units.Format($"{time / profile.Total:0.0%}");
    }

    public static void WriteJson(Utf8JsonWriter writer, DecodeProfile profile)
    {
        writer.WriteNumber("tokens", profile.Tokens);
        writer.WriteNumber("threads", profile.Threads);
        WriteMicroseconds("step_us", profile.Total);
        WriteMicroseconds("kernel_us", profile.Kernel);
        WriteMicroseconds("wait_us", profile.Wait);
        WriteMicroseconds("call_overhead_us", profile.CallOverhead);
        WriteMicroseconds("managed_us", profile.Managed);
        writer.WriteNumber("outside_kernels", profile.OutsideKernels);
        writer.WriteNumber("utilization", profile.Utilization);
        writer.WriteStartArray("functions");
        foreach (FunctionProfile function in profile.Functions)
        {
            writer.WriteStartObject();
            writer.WriteString("name", function.Name);
            writer.WriteNumber("calls_per_token", (double)function.Calls / profile.Tokens);
            WriteMicroseconds("total_us", function.Total);
            WriteMicroseconds("kernel_us", function.Kernel);
            WriteMicroseconds("wait_us", function.Wait);
            WriteMicroseconds("worker_kernel_us", function.WorkerKernel);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();

        void WriteMicroseconds(string name, TimeSpan time) => writer.WriteNumber(name, time.TotalMicroseconds / profile.Tokens);
    }
}

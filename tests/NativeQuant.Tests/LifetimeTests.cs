using System.Runtime.CompilerServices;

namespace NativeQuant.Tests;

// Dispose in any order, twice, at once, or never: no crash, no leak, and what still lives works.
[TestFixture]
public class LifetimeTests
{
    [Test]
    public void Everything_keeps_working_when_the_device_is_disposed_first()
    {
        Device device = Device.Open();
        using var objects = new Objects(device);
        device.Dispose();
        objects.Use();
        Assert.That(() => device.AllocatedBytes, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => new DeviceBuffer(device, 1), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Objects_may_be_disposed_in_any_order_and_more_than_once()
    {
        foreach (int[] order in Permutations(5))
        {
            var device = Device.Open("cpu", new DeviceOptions { ThreadCount = 1 });
            var objects = new Objects(device);
            IDisposable[] disposables = [device, .. objects.All];
            Assert.That(disposables, Has.Length.EqualTo(order.Length));
            foreach (int index in order.Concat(order))
            {
                disposables[index].Dispose();
            }
        }
    }

    [Test]
    public void Objects_may_be_disposed_by_many_threads_at_once_while_others_use_them()
    {
        for (int round = 0; round < 20; round++)
        {
            using var device = Device.Open("cpu", new DeviceOptions { ThreadCount = 1 });
            long before = device.AllocatedBytes;
            var objects = new Objects(device);
            using var start = new Barrier(6);
            Thread[] threads = [.. Enumerable.Range(0, 6).Select(i => new Thread(() =>
            {
                start.SignalAndWait();
                if (i < 3)
                {
                    UseUntilDisposed(objects);
                }
                else
                {
                    foreach (IDisposable disposable in objects.All)
                    {
                        disposable.Dispose();
                    }
                }
            }))];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
            device.TrimMemory();
            Assert.That(device.AllocatedBytes, Is.LessThanOrEqualTo(before), "all memory is given back");
        }
    }

    [Test]
    public void What_is_never_disposed_is_freed_by_the_garbage_collector()
    {
        using var device = Device.Open();
        long before = device.AllocatedBytes;
        Forget(device);
        Assert.That(device.AllocatedBytes, Is.GreaterThan(before));
        for (int attempt = 0; attempt < 10 && device.AllocatedBytes > before; attempt++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            device.TrimMemory();
        }

        Assert.That(device.AllocatedBytes, Is.EqualTo(before));
    }

    [Test]
    public void Use_after_dispose_is_an_ObjectDisposedException_everywhere()
    {
        using var device = Device.Open();
        using var live = new Objects(device);
        var dead = new Objects(device);
        dead.Dispose();
        TensorView x = live.Buffer.View(DataType.Float32, 1, 4);
        TensorView gone = dead.Buffer.View(DataType.Float32, 1, 4);
        Action[] uses =
        [
            () => dead.Buffer.Read<float>(new float[1]),
            () => dead.Buffer.Write<float>(new float[1]),
            () => dead.Buffer.CopyTo(live.Buffer, 0, 0, 4),
            () => live.Buffer.CopyTo(dead.Buffer, 0, 0, 4),
            () => Operations.ResidualAdd(gone, x),
            () => Operations.ResidualAdd(x, gone),
            () => dead.Layer.Forward(x, x),
            () => live.Layer.Forward(gone, x),
            () => dead.Layer.Weight.Dequantize(live.Buffer.View(DataType.Float32, 4, 4)),
            () => ((Matrix4Bit)dead.Layer.Weight).Export(),
            () => dead.Cache.Append(0, x, x),
            () => dead.Cache.Length(),
            () => dead.Cache.Truncate(0),
            () => Operations.Attention(dead.Cache, 0, x, 1, 0, x),
            () => Operations.Embedding(dead.Dense, x, x),
            () => new Linear4Bit((Matrix4Bit)live.Layer.Weight, gone).Forward(x, x),
        ];
        for (int i = 0; i < uses.Length; i++)
        {
            Assert.That(() => uses[i](), Throws.TypeOf<ObjectDisposedException>(), $"use {i}");
        }

        device.Dispose();
        Action[] deviceUses =
        [
            () => device.ResetPeakMemory(),
            device.TrimMemory,
            () => _ = new KvCache(device, 1, 1, 4, 1),
            () => DenseMatrix.Create(device, new float[4], 2, 2),
            () => Matrix4Bit.Quantize(device, new float[4], 2, 2, QuantType.NF4),
            () => Matrix8Bit.Quantize(device, new float[4], 2, 2),
            () => Matrix8Bit.Import(device, 2, 2, DataType.Float32, new sbyte[4], new float[2]),
        ];
        for (int i = 0; i < deviceUses.Length; i++)
        {
            Assert.That(() => deviceUses[i](), Throws.TypeOf<ObjectDisposedException>(), $"use {i} of the device");
        }
    }

    [Test]
    public void Matrices_tensors_and_caches_of_different_devices_do_not_mix()
    {
        using var device = Device.Open();
        using var other = Device.Open();
        using var here = new Objects(device);
        using var there = new Objects(other);
        TensorView x = here.Buffer.View(DataType.Float32, 1, 4);
        TensorView y = here.Buffer.View(DataType.Float32, 1, 4, byteOffset: 64);
        TensorView foreign = there.Buffer.View(DataType.Float32, 1, 4);
        Assert.That(() => here.Layer.Forward(x, foreign), Throws.ArgumentException.With.Message.Contains("device"));
        Assert.That(() => there.Layer.Forward(x, y), Throws.ArgumentException.With.Message.Contains("device"));
        Assert.That(() => there.Cache.Append(0, x, y), Throws.ArgumentException.With.Message.Contains("device"));
        Assert.That(() => there.Dense.Dequantize(here.Buffer.View(DataType.Float32, 4, 4)), Throws.ArgumentException.With.Message.Contains("device"));
    }

    [Test]
    public void Loading_and_unloading_again_and_again_takes_no_more_memory_and_no_more_threads()
    {
        using var device = Device.Open("cpu", new DeviceOptions { ThreadCount = 2 });
        long first = 0;
        for (int round = 0; round < 50; round++)
        {
            using (var objects = new Objects(device))
            {
                objects.Use();
            }

            if (round == 0)
            {
                first = device.AllocatedBytes;
            }

            Assert.That(device.AllocatedBytes, Is.EqualTo(first), $"round {round}");
        }

        int threads = 0;
        for (int round = 0; round < 30; round++)
        {
            using (var another = Device.Open("cpu", new DeviceOptions { ThreadCount = 4 }))
            using (var objects = new Objects(another))
            {
                objects.Use();
            }

            if (round == 9)
            {
                threads = ThreadCount();
            }
        }

        Assert.That(ThreadCount(), Is.LessThan(threads + 20), "threads of devices that are gone");
    }

    private static int ThreadCount()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.Threads.Count;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(Device device) => new Objects(device).Use();

    private static void UseUntilDisposed(Objects objects)
    {
        try
        {
            while (true)
            {
                objects.Use();
            }
        }
        catch (ObjectDisposedException)
        {
            // What the others were for.
        }
    }

    private static IEnumerable<int[]> Permutations(int count) => count == 0
        ? [[]]
        : Permutations(count - 1).SelectMany(shorter => Enumerable.Range(0, count).Select(at => (int[])[.. shorter[..at], count - 1, .. shorter[at..]]));

    // One object of each kind on a device.
    private sealed class Objects : IDisposable
    {
        public Objects(Device device)
        {
            Buffer = new DeviceBuffer(device, 128);
            Dense = DenseMatrix.Create(device, RandomValues.Normal(16, 1), 4, 4);
            Layer = new Linear4Bit(Matrix4Bit.Quantize(device, RandomValues.Normal(16, 2), 4, 4, QuantType.NF4), null);
            Cache = new KvCache(device, layers: 1, kvHeads: 1, headDim: 4, capacity: 100_000);
        }

        public DeviceBuffer Buffer { get; }

        public DenseMatrix Dense { get; }

        public Linear4Bit Layer { get; }

        public KvCache Cache { get; }

        public IDisposable[] All => [Buffer, Dense, Layer, Cache];

        public void Use()
        {
            TensorView x = Buffer.View(DataType.Float32, 1, 4);
            TensorView y = Buffer.View(DataType.Float32, 1, 4, byteOffset: 16);
            Buffer.Write<float>([1, 2, 3, 4]);
            Layer.Forward(x, y);
            Cache.Append(0, x, y);
            Operations.Attention(Cache, 0, x, 0.5f, 0, y);
            Dense.Dequantize(Buffer.View(DataType.Float32, 4, 4, byteOffset: 64));
            Buffer.Read<float>(new float[4], byteOffset: 16);
        }

        public void Dispose()
        {
            foreach (IDisposable disposable in All)
            {
                disposable.Dispose();
            }
        }
    }
}

// The machine's limits as a contestant. dram_read reads as many bytes as one matrix of one byte per weight; fma and int8 do as many
// operations as one product. So a product's fraction of a limit is the limit's time over the product's own, corrected for the bytes of its
// format.
#include "contestant.h"
#include "machine_limits.h"
#include "nativequant/nativequant.h"

int main(int count, char** arguments) {
    const contestant::task t = contestant::parse(count, arguments);
    const bool memory = t.type == "dram_read";
    nq_cpu_implementation best;
    if (nq_cpu_implementation_get(0, &best) != NQ_STATUS_OK) contestant::fail(nq_last_error_message());
    const char* chosen = std::getenv("NATIVEQUANT_CPU");
    for (uint32_t i = 1; best.supported == 0; ++i)
        if (nq_cpu_implementation_get(i, &best) != NQ_STATUS_OK) contestant::fail(nq_last_error_message());
    const nq::bench::peak* peak = nq::bench::product_peak(chosen != nullptr ? chosen : best.name,
                                                          t.type == "int8" ? nq::bench::operands::int8 : nq::bench::operands::f32);
    if (!memory && peak == nullptr) contestant::fail("no peak of " + t.type + " is known for this processor");

    const size_t bytes = t.rows * t.columns, products = memory ? t.matrices(bytes) : 1;
    const double operations = 2.0 * static_cast<double>(t.m * bytes);
    const auto walk = [&] {
        nq::bench::samples unused;
        if (memory)
            for (size_t i = 0; i < products; ++i) nq::bench::main_memory().read(bytes, t.threads, unused);
        else
            nq::bench::run_peak(*peak, static_cast<size_t>(operations / peak->operations), t.threads);
    };
    walk();
    contestant::ready("measured", memory ? "16 streams" : peak->name, memory ? bytes : 0, 0);
    contestant::serve(t.threads, products, walk);
}

// Functions about the library and the machine.
#include <cstring>

#include "api/arguments.h"
#include "api/call.h"
#include "cpu/dispatch.h"
#include "cpu/host_memory.h"
#include "cpu/processors.h"
#include "formats/codebooks.h"

using namespace nq;
using namespace nq::api;

uint32_t nq_abi_version(void) noexcept { return NQ_ABI_VERSION_MAJOR << 16 | NQ_ABI_VERSION_MINOR; }

const char* nq_build_info(void) noexcept {
#if defined(__clang__)
    return "NativeQuant " NQ_VERSION ", Clang " __clang_version__ ", " NQ_BUILD_TYPE;
#elif defined(__GNUC__)
    return "NativeQuant " NQ_VERSION ", GCC " __VERSION__ ", " NQ_BUILD_TYPE;
#else
    return "NativeQuant " NQ_VERSION ", " NQ_BUILD_TYPE;
#endif
}

const char* nq_status_name(nq_status status) noexcept {
    switch (status) {
        case NQ_STATUS_OK:
            return "ok";
        case NQ_STATUS_INVALID_ARGUMENT:
            return "invalid argument";
        case NQ_STATUS_INVALID_HANDLE:
            return "invalid handle";
        case NQ_STATUS_WRONG_DEVICE:
            return "wrong device";
        case NQ_STATUS_OUT_OF_MEMORY:
            return "out of memory";
        case NQ_STATUS_DEVICE_NOT_AVAILABLE:
            return "device not available";
        case NQ_STATUS_UNSUPPORTED:
            return "unsupported";
        case NQ_STATUS_INVALID_DATA:
            return "invalid data";
        case NQ_STATUS_INTERNAL:
            return "internal error";
        case NQ_STATUS_DEVICE_LOST:
            return "device lost";
    }
    return "unknown status";
}

const char* nq_cpu_features(void) noexcept {
    const char* features = "";
    guarded([&] { features = cpu::cpu_features().c_str(); });
    return features;
}

uint32_t nq_cpu_implementation_count(void) noexcept { return static_cast<uint32_t>(cpu::implementations().size()); }

nq_status nq_cpu_implementation_get(uint32_t index, nq_cpu_implementation* implementation) noexcept {
    return guarded([&] {
        require_pointer(implementation, "implementation");
        if (index >= cpu::implementations().size()) {
            throw error(NQ_STATUS_INVALID_ARGUMENT, "index is %u, expected below %zu", index, cpu::implementations().size());
        }
        const cpu::kernels& k = *cpu::implementations()[index];
        const cpu::kernels* selected = nullptr;
        try {
            selected = &cpu::select_implementation(nullptr);
        } catch (const error&) {
            // NATIVEQUANT_CPU names none that runs here: then none is selected.
        }
        *implementation = {k.name, k.description, k.requires_features, cpu::supported(k), &k == selected};
    });
}

nq_status nq_host_memory(uint64_t* total_bytes, uint64_t* available_bytes) noexcept {
    return guarded([&] {
        require_pointer(total_bytes, "total_bytes");
        require_pointer(available_bytes, "available_bytes");
        const cpu::host_memory memory = cpu::host_memory_now();
        *total_bytes = memory.total_bytes;
        *available_bytes = memory.available_bytes;
    });
}

nq_status nq_codebook_4bit(nq_quant_type quant_type, float* values) noexcept {
    return guarded([&] {
        require_quant_type(quant_type);
        require_pointer(values, "values");
        std::memcpy(values, formats::codebook_4bit(quant_type), sizeof formats::nf4_codebook);
    });
}

nq_status nq_dynamic_map(int32_t signed_map, float* values) noexcept {
    return guarded([&] {
        if (signed_map != 0 && signed_map != 1) throw error(NQ_STATUS_INVALID_ARGUMENT, "signed_map is %d, expected 0 or 1", signed_map);
        require_pointer(values, "values");
        std::memcpy(values, signed_map == 1 ? formats::dynamic_map_signed : formats::dynamic_map_unsigned,
                    sizeof formats::dynamic_map_signed);
    });
}

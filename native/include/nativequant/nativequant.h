/* NativeQuant: 4- and 8-bit inference kernels behind a flat C ABI.
 *
 * Conventions
 *   Status      Every function that can fail returns nq_status; NQ_STATUS_OK is 0. On failure nq_last_error_message() holds
 *               one UTF-8 sentence naming what was wrong, what was expected and what was given, for the calling thread,
 *               until that thread's next failing call. Output arguments are left untouched on failure, except tensors
 *               that an operation had begun to write.
 *   Handles     nq_device, nq_buffer, nq_matrix and nq_kv_cache are opaque. A handle may be destroyed at any time, in any
 *               order, from any thread, also while another thread uses it: the object lives until its last user is done,
 *               and a child keeps its device alive. A destroyed handle is recognised and gives NQ_STATUS_INVALID_HANDLE.
 *   Tensors     nq_tensor is a view of a row-major matrix inside a buffer; a vector is a tensor of one row. Operations take
 *               tensors of one device. Unless said otherwise floating-point tensors may be f32, f16 or bf16; arithmetic is
 *               f32, rounded once (to nearest, ties to even) to the output type.
 *   Aliasing    An output may be the same view as an input only where the operation says "in place".
 *   Threading   Every function may be called from any thread at any time. Results do not depend on the number of threads.
 *               Concurrent writes to one tensor, or to one KV cache, are the caller's to order.
 *   Order       Operations of one device happen in the order of the calls. A CPU device has finished when a call returns. A
 *               CUDA device may still be at work: nq_buffer_read and nq_device_synchronize wait for it, and report what only
 *               the device can see, such as a token id outside the table; what was computed from it is undefined. Host memory
 *               given to a call may be reused as soon as it returns.
 *   Sizes       Counts are elements, offsets and memory sizes are bytes. Byte order is little-endian.
 */
#ifndef NATIVEQUANT_NATIVEQUANT_H
#define NATIVEQUANT_NATIVEQUANT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(NQ_BUILDING_LIBRARY)
#define NQ_EXPORT __declspec(dllexport)
#else
#define NQ_EXPORT __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define NQ_EXPORT __attribute__((visibility("default")))
#else
#define NQ_EXPORT
#endif

#if defined(__cplusplus)
#define NQ_NOEXCEPT noexcept
#define NQ_API extern "C" NQ_EXPORT
#else
#define NQ_NOEXCEPT
#define NQ_API extern NQ_EXPORT
#endif

/* Annotations for the binding generator; they say what C cannot and mean nothing to a compiler.
 *   NQ_OUT          the callee writes through this pointer
 *   NQ_OWNED        the caller owns the returned handle and must destroy it
 *   NQ_NULLABLE     null is allowed
 *   NQ_SPAN(count)  the pointer addresses `count` elements; `count` is a number or computed from parameters or from the object's sizes */
#if defined(NQ_GENERATE_BINDINGS)
#define NQ_OUT __attribute__((annotate("nq:out")))
#define NQ_OWNED __attribute__((annotate("nq:owned")))
#define NQ_NULLABLE __attribute__((annotate("nq:nullable")))
#define NQ_SPAN(count) __attribute__((annotate("nq:span:" #count)))
#else
#define NQ_OUT
#define NQ_OWNED
#define NQ_NULLABLE
#define NQ_SPAN(count)
#endif

/** Version of this interface. A caller needs the same major version and at least its own minor version. */
#define NQ_ABI_VERSION_MAJOR 1
#define NQ_ABI_VERSION_MINOR 2

/** Outcome of a call. */
typedef enum nq_status {
    /** Success. */
    NQ_STATUS_OK = 0,
    /** An argument is null, out of range, or does not fit the others. */
    NQ_STATUS_INVALID_ARGUMENT = 1,
    /** A handle was destroyed before, or was never one of this library. */
    NQ_STATUS_INVALID_HANDLE = 2,
    /** The arguments belong to different devices. */
    NQ_STATUS_WRONG_DEVICE = 3,
    /** Memory could not be had; the message says how much was asked for and how much is there. */
    NQ_STATUS_OUT_OF_MEMORY = 4,
    /** The device does not exist here, or its driver or implementation is missing. */
    NQ_STATUS_DEVICE_NOT_AVAILABLE = 5,
    /** The request is valid but this device or version does not do it. */
    NQ_STATUS_UNSUPPORTED = 6,
    /** Data is unusable: a weight is NaN or infinite, a token id is outside the table. */
    NQ_STATUS_INVALID_DATA = 7,
    /** A defect in the library. */
    NQ_STATUS_INTERNAL = 8,
    /** A device failed so that it cannot be used again in this process, nor can anything on it. Other devices go on. */
    NQ_STATUS_DEVICE_LOST = 9
} nq_status;

/** Element type of a tensor. */
typedef enum nq_dtype {
    /** IEEE binary32. */
    NQ_DTYPE_F32 = 0,
    /** IEEE binary16. */
    NQ_DTYPE_F16 = 1,
    /** bfloat16: the upper half of a binary32. */
    NQ_DTYPE_BF16 = 2,
    /** Signed 8-bit integer. */
    NQ_DTYPE_I8 = 3,
    /** Unsigned 8-bit integer, also packed 4-bit codes (two per byte). */
    NQ_DTYPE_U8 = 4,
    /** Signed 32-bit integer. */
    NQ_DTYPE_I32 = 5,
    /** Unsigned 32-bit integer. */
    NQ_DTYPE_U32 = 6
} nq_dtype;

/** 4-bit data type: which 16-entry codebook the codes index. */
typedef enum nq_quant_type {
    /** NormalFloat: quantiles of the normal distribution, normalised to [-1, 1]. */
    NQ_QUANT_TYPE_NF4 = 0,
    /** 4-bit floating point: sign and 3 bits of magnitude {0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3, 1}. */
    NQ_QUANT_TYPE_FP4 = 1
} nq_quant_type;

/** How a matrix holds its weights. */
typedef enum nq_matrix_kind {
    /** One f32, f16 or bf16 number per weight. */
    NQ_MATRIX_DENSE = 0,
    /** 4-bit codes with one absmax per block. */
    NQ_MATRIX_4BIT = 1,
    /** int8 codes with one absmax per row (LLM.int8()). */
    NQ_MATRIX_8BIT = 2
} nq_matrix_kind;

/** What nq_linear_group_forward does with the results of its layers. */
typedef enum nq_epilogue {
    /** y_i = layer_i(x). */
    NQ_EPILOGUE_NONE = 0,
    /** y_i = y_i + layer_i(x). */
    NQ_EPILOGUE_ADD = 1,
    /** y_1 = layer_1(x); y_0 = g / (1 + exp(-g)) * y_1 with g = layer_0(x), as nq_gated_silu_forward. */
    NQ_EPILOGUE_GATED_SILU = 2
} nq_epilogue;

/** A place that owns memory and computes. Thread-safe. */
typedef struct nq_device nq_device;
/** A block of device memory, 64-byte aligned, zero-filled at creation. */
typedef struct nq_buffer nq_buffer;
/** An immutable weight matrix [rows, columns] = [output features, input features] in the layout its device computes from. */
typedef struct nq_matrix nq_matrix;
/** Keys and values of one sequence, for every layer of a model. One thread at a time. */
typedef struct nq_kv_cache nq_kv_cache;

/** Options of nq_device_open. */
typedef struct nq_device_options {
    /** sizeof(nq_device_options), so that the structure can grow. */
    uint32_t struct_size;
    /** Threads an operation may use; 0: NATIVEQUANT_THREADS if set, else the processors this process may use. CUDA: not used. */
    uint32_t thread_count;
    /** CPU implementation by name (see nq_cpu_implementation_get); null: NATIVEQUANT_CPU if set, else the best that runs here. */
    const char* implementation;
} nq_device_options;

/** What a device is and holds. Strings live as long as the process. */
typedef struct nq_device_info {
    /** Kind of device: "cpu" or "cuda". */
    const char* kind;
    /** Name of the implementation in use, e.g. "avx512"; CUDA: name of the device. */
    const char* implementation;
    /** Threads an operation may use; CUDA: multiprocessors. */
    uint32_t thread_count;
    uint32_t reserved;
    /** Bytes held now by buffers, matrices, caches and scratch memory of this device; CUDA: without memory kept for reuse. */
    uint64_t allocated_bytes;
    /** Largest value of allocated_bytes since the device was opened or nq_device_reset_peak was called. */
    uint64_t peak_allocated_bytes;
} nq_device_info;

/** One CPU implementation. Strings live as long as the process. */
typedef struct nq_cpu_implementation {
    /** Short name, as NATIVEQUANT_CPU takes it. */
    const char* name;
    /** One line of description. */
    const char* description;
    /** Space-separated instruction sets it needs. */
    const char* requires_features;
    /** 1 if this processor and operating system can run it. */
    int32_t supported;
    /** 1 if it is what a CPU device opened without options uses. */
    int32_t selected;
} nq_cpu_implementation;

/** One CUDA device of this machine. Strings live as long as the process. */
typedef struct nq_cuda_device {
    /** Name as the driver gives it. */
    const char* name;
    /** Compute capability, e.g. 8 and 6 for 8.6; 7.5 or later is needed. */
    uint32_t compute_capability_major;
    uint32_t compute_capability_minor;
    /** Number of multiprocessors. */
    uint32_t multiprocessors;
    /** Newest CUDA version that the driver supports: 1000 * major + 10 * minor. */
    uint32_t driver_version;
    /** Bytes of device memory. */
    uint64_t memory_bytes;
} nq_cuda_device;

/** A row-major view [rows, columns] into a buffer: element (r, c) is at offset + (r * row_stride + c) * element size. */
typedef struct nq_tensor {
    /** The buffer viewed. */
    nq_buffer* buffer;
    /** Bytes from the start of the buffer to element (0, 0); a multiple of the element size. */
    uint64_t offset;
    /** Number of rows. */
    uint64_t rows;
    /** Number of columns. */
    uint64_t columns;
    /** Elements from one row to the next; at least columns. */
    uint64_t row_stride;
    /** Element type. */
    nq_dtype dtype;
    /** Must be 0. */
    uint32_t reserved;
} nq_tensor;

/** What a matrix is. */
typedef struct nq_matrix_info {
    /** How the weights are held. */
    nq_matrix_kind kind;
    /** Dense: element type held. Quantized: type of the weights before quantization. */
    nq_dtype dtype;
    /** Output features. */
    uint64_t rows;
    /** Input features. */
    uint64_t columns;
    /** 4-bit only: codebook. */
    nq_quant_type quant_type;
    /** 4-bit only: weights per absmax, counted over the flat row-major matrix. */
    uint32_t blocksize;
    /** 4-bit only: absmax values per nested absmax (256), 0 if the absmax are plain f32. */
    uint32_t nested_blocksize;
    uint32_t reserved;
    /** Bytes of the weights and their statistics in the exchange format (packed codes, absmax, SCB). */
    uint64_t storage_bytes;
    /** Bytes of device memory the matrix occupies. */
    uint64_t resident_bytes;
} nq_matrix_info;

/** One layer of nq_linear_group_forward. */
typedef struct nq_linear_layer {
    /** W [N, K] of any kind. */
    nq_matrix* matrix;
    /** 4-bit only: as nq_linear4bit_forward takes it. */
    nq_dtype compute_dtype;
    /** 8-bit only: as nq_linear8bit_forward takes it. */
    float threshold;
    /** f32, f16 or bf16, N elements; without a buffer (null): no bias. */
    nq_tensor bias;
    /** f32, f16 or bf16 [M, N]. */
    nq_tensor y;
} nq_linear_layer;

/** A 4-bit matrix in bitsandbytes' exchange format, in host memory. n = rows * columns, taken flat in row-major order. */
typedef struct nq_matrix4bit_storage {
    /** Output features. */
    uint64_t rows;
    /** Input features. */
    uint64_t columns;
    /** Codebook. */
    nq_quant_type quant_type;
    /** Type of the weights before quantization: f32, f16 or bf16. */
    nq_dtype dtype;
    /** Weights per absmax: 32, 64, 128, 256, 512, 1024, 2048 or 4096. */
    uint32_t blocksize;
    /** 0: absmax holds plain f32. Otherwise (256) the absmax are 8-bit codes with nested statistics. */
    uint32_t nested_blocksize;
    /** (n + 1) / 2 bytes: element 2i in the high nibble, 2i + 1 in the low nibble of byte i. */
    uint8_t* packed;
    /** Plain: ceil(n / blocksize) values. Null if nested. */
    float* absmax;
    /** Nested: ceil(n / blocksize) codes. Null if plain. */
    uint8_t* absmax_codes;
    /** Nested: ceil(ceil(n / blocksize) / nested_blocksize) values. Null if plain. */
    float* nested_absmax;
    /** Nested: the 256-entry map that absmax_codes index. Null if plain. */
    float* nested_map;
    /** Nested: absmax[b] = nested_map[absmax_codes[b]] * nested_absmax[b / nested_blocksize] + nested_offset. */
    float nested_offset;
    uint32_t reserved;
} nq_matrix4bit_storage;

/** Where the time of one function's calls went, summed over the calls since nq_profile_start, in nanoseconds of wall time. */
typedef struct nq_function_profile {
    /** Name of the function, e.g. "nq_linear4bit_forward". Lives as long as the process. */
    const char* name;
    /** Calls that have returned. */
    uint64_t calls;
    /** Time within the calls. */
    uint64_t total_ns;
    /** Of total_ns: the calling thread was running kernels. The rest is checks, staging, handing out work, and waiting. */
    uint64_t kernel_ns;
    /** Of total_ns: the calling thread had no work left and waited for other threads to finish theirs. */
    uint64_t wait_ns;
    /** Kernel time of other threads that worked on the calls, beside total_ns. */
    uint64_t worker_kernel_ns;
} nq_function_profile;

/* ---- Library ------------------------------------------------------------------------------------------------------- */

/** Version of the interface this library implements: major << 16 | minor. */
NQ_API uint32_t nq_abi_version(void) NQ_NOEXCEPT;

/** Version, compiler and build type of this library, one line. Lives as long as the process. */
NQ_API const char* nq_build_info(void) NQ_NOEXCEPT;

/** Message of the calling thread's last failing call; empty if none failed. Valid until that thread's next failing call. */
NQ_API const char* nq_last_error_message(void) NQ_NOEXCEPT;

/** Name of a status, e.g. "invalid argument"; "unknown status" for other values. Lives as long as the process. */
NQ_API const char* nq_status_name(nq_status status) NQ_NOEXCEPT;

/** Instruction sets of this processor that the operating system allows, space-separated. Lives as long as the process. */
NQ_API const char* nq_cpu_features(void) NQ_NOEXCEPT;

/** Number of CPU implementations in this library, best first. */
NQ_API uint32_t nq_cpu_implementation_count(void) NQ_NOEXCEPT;

/** Describes CPU implementation `index`, 0 <= index < nq_cpu_implementation_count(). */
NQ_API nq_status nq_cpu_implementation_get(uint32_t index, nq_cpu_implementation* NQ_OUT implementation) NQ_NOEXCEPT;

/** Bytes of main memory: all of it, and what this process can still have (least of free memory and control-group limit). */
NQ_API nq_status nq_host_memory(uint64_t* NQ_OUT total_bytes, uint64_t* NQ_OUT available_bytes) NQ_NOEXCEPT;

/** Starts counting, from zero, where the time of all calls of this process goes. While it counts, a call takes a fraction of a microsecond
 * longer. */
NQ_API nq_status nq_profile_start(void) NQ_NOEXCEPT;

/** Stops counting; the sums stay. A call under way is still counted. */
NQ_API nq_status nq_profile_stop(void) NQ_NOEXCEPT;

/** Number of functions that were ever called while counting. Grows only. */
NQ_API uint32_t nq_profile_function_count(void) NQ_NOEXCEPT;

/** The sums of function `index`, 0 <= index < nq_profile_function_count(), in order of first call. calls is 0 if it was not called since
 * the last start. */
NQ_API nq_status nq_profile_get(uint32_t index, nq_function_profile* NQ_OUT profile) NQ_NOEXCEPT;

/* ---- Devices ------------------------------------------------------------------------------------------------------- */

/** Opens a device.
 * @param name "cpu", or "cuda:N" for the N-th CUDA device.
 * @param options null for the defaults.
 * @param device receives the handle.
 * Fails with DEVICE_NOT_AVAILABLE if the device, or the CPU implementation asked for, cannot run here. */
NQ_API nq_status nq_device_open(const char* name, const nq_device_options* NQ_NULLABLE options,
                                nq_device** NQ_OUT NQ_OWNED device) NQ_NOEXCEPT;

/** Releases a device handle. Null is allowed. The device lives on while buffers, matrices or caches of it do. */
NQ_API nq_status nq_device_destroy(nq_device* NQ_NULLABLE device) NQ_NOEXCEPT;

/** Describes a device. */
NQ_API nq_status nq_device_get_info(nq_device* device, nq_device_info* NQ_OUT info) NQ_NOEXCEPT;

/** Sets peak_allocated_bytes to allocated_bytes. */
NQ_API nq_status nq_device_reset_peak(nq_device* device) NQ_NOEXCEPT;

/** Gives memory that is kept for reuse back to the system. */
NQ_API nq_status nq_device_trim(nq_device* device) NQ_NOEXCEPT;

/** Waits until the device has done everything asked of it. Fails with what it found meanwhile. */
NQ_API nq_status nq_device_synchronize(nq_device* device) NQ_NOEXCEPT;

/** Begins a step: operations of the calling thread, up to nq_device_step_end, that come again from step to step, such as those that decode
 * one token. A CUDA device may put them off and run them as one graph; results are the same. CPU: nothing. One thread at a time: a step
 * begun while another is under way is computed, but not as a graph. */
NQ_API nq_status nq_device_step_begin(nq_device* device) NQ_NOEXCEPT;

/** Ends the calling thread's step. */
NQ_API nq_status nq_device_step_end(nq_device* device) NQ_NOEXCEPT;

/** Number of CUDA devices of this machine, at least 1. Fails with DEVICE_NOT_AVAILABLE, saying what is missing, if there is no CUDA
 * library, no driver, or no device. */
NQ_API nq_status nq_cuda_device_count(uint32_t* NQ_OUT count) NQ_NOEXCEPT;

/** Describes CUDA device `index`, also one that is too old to be opened. Fails with DEVICE_NOT_AVAILABLE if it does not exist. */
NQ_API nq_status nq_cuda_device_get(uint32_t index, nq_cuda_device* NQ_OUT device) NQ_NOEXCEPT;

/** Names the file of the CUDA library, for hosts that keep it elsewhere than beside this library. NATIVEQUANT_CUDA_LIBRARY, if set, comes
 * before it. Once the CUDA library is open this does nothing. */
NQ_API nq_status nq_cuda_set_library(const char* path) NQ_NOEXCEPT;

/* ---- Buffers ------------------------------------------------------------------------------------------------------- */

/** Allocates `bytes` (at least 1) of zeroed device memory. */
NQ_API nq_status nq_buffer_create(nq_device* device, uint64_t bytes, nq_buffer** NQ_OUT NQ_OWNED buffer) NQ_NOEXCEPT;

/** Releases a buffer handle. Null is allowed. */
NQ_API nq_status nq_buffer_destroy(nq_buffer* NQ_NULLABLE buffer) NQ_NOEXCEPT;

/** Size of a buffer in bytes, as asked for. */
NQ_API nq_status nq_buffer_size(nq_buffer* buffer, uint64_t* NQ_OUT bytes) NQ_NOEXCEPT;

/** Copies host memory into a buffer at byte `offset`. */
NQ_API nq_status nq_buffer_write(nq_buffer* buffer, uint64_t offset, const void* NQ_SPAN(bytes) source, uint64_t bytes) NQ_NOEXCEPT;

/** Copies from a buffer at byte `offset` to host memory. */
NQ_API nq_status nq_buffer_read(nq_buffer* buffer, uint64_t offset, void* NQ_OUT NQ_SPAN(bytes) destination, uint64_t bytes) NQ_NOEXCEPT;

/** Copies between two buffers of one device; the ranges may overlap. */
NQ_API nq_status nq_buffer_copy(nq_buffer* source, uint64_t source_offset, nq_buffer* destination, uint64_t destination_offset,
                                uint64_t bytes) NQ_NOEXCEPT;

/* ---- Formats ------------------------------------------------------------------------------------------------------- */

/** The 16 values of a 4-bit codebook, index = code. */
NQ_API nq_status nq_codebook_4bit(nq_quant_type quant_type, float* NQ_OUT NQ_SPAN(16) values) NQ_NOEXCEPT;

/** The 256 values of the dynamic 8-bit map, ascending: signed_map 1 for [-0.993, 1], 0 for [0, 1]. */
NQ_API nq_status nq_dynamic_map(int32_t signed_map, float* NQ_OUT NQ_SPAN(256) values) NQ_NOEXCEPT;

/** Quantizes n values, taken flat, to 4 bits. Per block of `blocksize`: absmax = max |x|; y = x * (1 / absmax); code = nearest
 * codebook entry, a value on a midpoint taking the lower one (FP4: the smaller magnitude). A block of zeros stores absmax 0 and
 * the code of 0. Where 1 / absmax overflows, y = x / absmax.
 * @param input contiguous f32, f16 or bf16, n elements.
 * @param blocksize 32, 64, 128, 256, 512, 1024, 2048 or 4096.
 * @param packed u8, (n + 1) / 2 elements: element 2i in the high nibble; an odd count ends with the code of 0.
 * @param absmax f32, ceil(n / blocksize) elements.
 * Fails with INVALID_DATA, naming the index, if a value is NaN or infinite.
 * Source: QLoRA (arXiv 2305.14314) section 3; bitsandbytes quantize_4bit. */
NQ_API nq_status nq_quantize_4bit(const nq_tensor* input, nq_quant_type quant_type, uint32_t blocksize, const nq_tensor* packed,
                                  const nq_tensor* absmax) NQ_NOEXCEPT;

/** output[i] = codebook[code i] * absmax[i / blocksize], one f32 rounding, then one to the output type.
 * @param packed u8, (n + 1) / 2 elements.
 * @param absmax f32, ceil(n / blocksize) elements.
 * @param output contiguous f32, f16 or bf16, n elements. */
NQ_API nq_status nq_dequantize_4bit(const nq_tensor* packed, const nq_tensor* absmax, nq_quant_type quant_type, uint32_t blocksize,
                                    const nq_tensor* output) NQ_NOEXCEPT;

/** Quantizes n values, taken flat, to 8 bits. Per block: absmax = max |x|; y = x * (1 / absmax); code = index of the nearest map
 * entry, a value on a midpoint taking the even index. A block of zeros stores absmax 0 and the code nearest 0.
 * @param input contiguous f32, f16 or bf16, n elements.
 * @param map f32, 256 ascending values.
 * @param blocksize at least 1.
 * @param codes u8, n elements.
 * @param absmax f32, ceil(n / blocksize) elements.
 * Fails with INVALID_DATA if a value is NaN or infinite. Source: arXiv 2110.02861; bitsandbytes quantize_blockwise. */
NQ_API nq_status nq_quantize_blockwise(const nq_tensor* input, const nq_tensor* map, uint32_t blocksize, const nq_tensor* codes,
                                       const nq_tensor* absmax) NQ_NOEXCEPT;

/** output[i] = map[code i] * absmax[i / blocksize], one f32 rounding, then one to the output type. Shapes as nq_quantize_blockwise. */
NQ_API nq_status nq_dequantize_blockwise(const nq_tensor* codes, const nq_tensor* map, const nq_tensor* absmax, uint32_t blocksize,
                                         const nq_tensor* output) NQ_NOEXCEPT;

/** Double quantization of absmax values: offset = mean(absmax); codes and nested_absmax = nq_quantize_blockwise(absmax - offset).
 * The mean is summed in f64 and rounded once.
 * @param absmax f32, n elements.
 * @param map f32, 256 ascending values; the signed dynamic map.
 * @param nested_blocksize 256 in every known checkpoint.
 * @param codes u8, n elements.
 * @param nested_absmax f32, ceil(n / nested_blocksize) elements.
 * @param offset f32, 1 element. */
NQ_API nq_status nq_quantize_absmax(const nq_tensor* absmax, const nq_tensor* map, uint32_t nested_blocksize, const nq_tensor* codes,
                                    const nq_tensor* nested_absmax, const nq_tensor* offset) NQ_NOEXCEPT;

/** absmax[i] = map[codes[i]] * nested_absmax[i / nested_blocksize] + offset, product and sum each rounded to f32. */
NQ_API nq_status nq_dequantize_absmax(const nq_tensor* codes, const nq_tensor* map, const nq_tensor* nested_absmax, const nq_tensor* offset,
                                      uint32_t nested_blocksize, const nq_tensor* absmax) NQ_NOEXCEPT;

/** Row-wise int8 quantization with outlier detection (LLM.int8()). With threshold > 0 an element with |x| >= threshold (or NaN) is
 * an outlier: row_absmax leaves it out, its code is 0, and with more than one row the codes of its whole column are 0.
 * code = round to nearest even of x * (127 / row_absmax[r]); a row of zeros has row_absmax 0 and codes 0. With threshold 0 a row
 * that holds a NaN or an infinity has row_absmax NaN and codes 0.
 * @param input f32, f16 or bf16 [rows, columns].
 * @param codes i8 [rows, columns].
 * @param row_absmax f32, rows elements.
 * @param outlier_columns u8, columns elements, 1 where a column holds an outlier; may be null.
 * Source: arXiv 2208.07339 section 3; bitsandbytes int8_vectorwise_quant. */
NQ_API nq_status nq_quantize_int8_rows(const nq_tensor* input, float threshold, const nq_tensor* codes, const nq_tensor* row_absmax,
                                       const nq_tensor* NQ_NULLABLE outlier_columns) NQ_NOEXCEPT;

/** output[r, c] = codes[r, c] * row_absmax[r] * 0.0078740157 (the f32 nearest 1 / 127), left to right in f32. */
NQ_API nq_status nq_dequantize_int8_rows(const nq_tensor* codes, const nq_tensor* row_absmax, const nq_tensor* output) NQ_NOEXCEPT;

/* ---- Matrices ------------------------------------------------------------------------------------------------------ */

/** Makes a dense matrix from host memory.
 * @param source contiguous [rows, columns] of type source_dtype (f32, f16, bf16), source_bytes long, any alignment.
 * @param dtype element type to hold: f32, f16 or bf16; converted with one rounding. */
NQ_API nq_status nq_matrix_create_dense(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype source_dtype,
                                        const void* NQ_SPAN(source_bytes) source, uint64_t source_bytes, nq_dtype dtype,
                                        nq_matrix** NQ_OUT NQ_OWNED matrix) NQ_NOEXCEPT;

/** Quantizes host memory to a 4-bit matrix, as nq_quantize_4bit, and with nested != 0 its absmax as nq_quantize_absmax with the
 * signed dynamic map and nested blocksize 256.
 * @param source contiguous [rows, columns] of type source_dtype (f32, f16, bf16), source_bytes long, any alignment. */
NQ_API nq_status nq_matrix_quantize_4bit(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype source_dtype,
                                         const void* NQ_SPAN(source_bytes) source, uint64_t source_bytes, nq_quant_type quant_type,
                                         uint32_t blocksize, int32_t nested, nq_matrix** NQ_OUT NQ_OWNED matrix) NQ_NOEXCEPT;

/** Makes a 4-bit matrix from the exchange format. Every pointer that the format needs must be set; nothing is requantized. */
NQ_API nq_status nq_matrix_import_4bit(nq_device* device, const nq_matrix4bit_storage* storage,
                                       nq_matrix** NQ_OUT NQ_OWNED matrix) NQ_NOEXCEPT;

/** Writes a 4-bit matrix in the exchange format, bit for bit as it was quantized or imported. The caller fills every field of
 * `storage` but nested_offset (from nq_matrix_get_info) and the arrays' contents. */
NQ_API nq_status nq_matrix_export_4bit(nq_matrix* matrix, nq_matrix4bit_storage* storage) NQ_NOEXCEPT;

/** Quantizes host memory row-wise to int8: each weight is rounded to f16 (saturating at 65504), then nq_quantize_int8_rows with threshold
 * 0. Fails with INVALID_DATA if a weight is NaN or infinite.
 * @param source contiguous [rows, columns] of type source_dtype (f32, f16, bf16), source_bytes long, any alignment. */
NQ_API nq_status nq_matrix_quantize_8bit(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype source_dtype,
                                         const void* NQ_SPAN(source_bytes) source, uint64_t source_bytes,
                                         nq_matrix** NQ_OUT NQ_OWNED matrix) NQ_NOEXCEPT;

/* By hand, for clang-format takes the product for a pointer: */
/* clang-format off */
/** Makes an 8-bit matrix from row-major codes [rows, columns] and row absmax (SCB) [rows]. */
NQ_API nq_status nq_matrix_import_8bit(nq_device* device, uint64_t rows, uint64_t columns, nq_dtype dtype,
                                       const int8_t* NQ_SPAN(rows * columns) codes, const float* NQ_SPAN(rows) row_absmax,
                                       nq_matrix** NQ_OUT NQ_OWNED matrix) NQ_NOEXCEPT;

/** Writes an 8-bit matrix as row-major codes [rows, columns] and row absmax (SCB) [rows], bit for bit. */
NQ_API nq_status nq_matrix_export_8bit(nq_matrix* matrix, int8_t* NQ_OUT NQ_SPAN(rows * columns) codes,
                                       float* NQ_OUT NQ_SPAN(rows) row_absmax) NQ_NOEXCEPT;
/* clang-format on */

/** Releases a matrix handle. Null is allowed. */
NQ_API nq_status nq_matrix_destroy(nq_matrix* NQ_NULLABLE matrix) NQ_NOEXCEPT;

/** Describes a matrix. */
NQ_API nq_status nq_matrix_get_info(nq_matrix* matrix, nq_matrix_info* NQ_OUT info) NQ_NOEXCEPT;

/** Writes the weights as numbers. 4-bit: as nq_dequantize_4bit. 8-bit: as nq_dequantize_int8_rows. Dense: converted.
 * @param output f32, f16 or bf16 [rows, columns]. */
NQ_API nq_status nq_matrix_dequantize(nq_matrix* matrix, const nq_tensor* output) NQ_NOEXCEPT;

/* ---- Linear layers ------------------------------------------------------------------------------------------------- */

/** y = x * W^T + bias for a dense matrix. Weights are widened to f32, accumulation is f32.
 * @param matrix dense W [N, K].
 * @param x f32, f16 or bf16 [M, K].
 * @param bias f32, f16 or bf16, N elements; may be null.
 * @param y f32, f16 or bf16 [M, N]. */
NQ_API nq_status nq_linear_forward(nq_matrix* matrix, const nq_tensor* x, const nq_tensor* NQ_NULLABLE bias,
                                   const nq_tensor* y) NQ_NOEXCEPT;

/** y = T(T(x) * T(W)^T + T(bias)) for a 4-bit matrix, W = codebook[code] * absmax in f32, T = rounding to compute_dtype (f32: none),
 * products and sums f32. Shapes and types as nq_linear_forward.
 * Error (f32, relative Frobenius against f64 on the dequantized weights): 1e-6 * max(1, sqrt(K / 4096)).
 * Source: bitsandbytes matmul_4bit.
 *
 * compute_dtype i8, an approximation: y = sum_b S_b * (absmax_w * (absmax_x * (1 / 127^2))) + bias, S_b = sum of qx * qw over block b,
 * exact int32. x is cut into blocks of min(64, blocksize) columns from the start of each row; qx and absmax_x are nq_quantize_int8_rows
 * (threshold 0) of each; qw = 127 * codebook[code] to the nearest integer. Where blocks of W run over row ends, b is the columns that share
 * absmax_w and absmax_x. Sums over b f32. A NaN or infinity in a row of x makes that row's y NaN, no other's. Error: at most sum_k
 * (absmax_x |w| + absmax_w |absmax_x * qx / 127|) / 254 beside f32 rounding; relative Frobenius 1.2e-2 for activations and weights from
 * normal to Student's t (5 degrees). Source: 8-bit integer products of blocks with f32 scales as in ggml. */
NQ_API nq_status nq_linear4bit_forward(nq_matrix* matrix, const nq_tensor* x, const nq_tensor* NQ_NULLABLE bias, nq_dtype compute_dtype,
                                       const nq_tensor* y) NQ_NOEXCEPT;

/** LLM.int8(): y = (CA * CB^T) * SCA * SCB / 127^2 + bias + x[:, O] * W[:, O]^T for an 8-bit matrix. CA, SCA and the outlier
 * columns O come from nq_quantize_int8_rows of f16(x) (saturating) with `threshold`; CA * CB^T is exact int32; W = CB * SCB * (1 / 127);
 * the outlier part is f32. threshold 0: no outlier columns. A NaN or infinity in a row of x makes that row's y NaN or infinite, no other's.
 * Shapes and types as nq_linear_forward; K <= 130000. Source: arXiv 2208.07339; bitsandbytes MatMul8bitLt. */
NQ_API nq_status nq_linear8bit_forward(nq_matrix* matrix, const nq_tensor* x, const nq_tensor* NQ_NULLABLE bias, float threshold,
                                       const nq_tensor* y) NQ_NOEXCEPT;

/** Several linear layers of one x in one call: y_i = layer_i(x), each as nq_linear_forward, nq_linear4bit_forward or nq_linear8bit_forward
 * computes it, bit for bit, with the epilogue on top. What x has to be made into (another type, int8 codes) is made once for all.
 * @param layers 1 to 8 layers of any kinds, all of K columns. Tensors y share no memory.
 * @param x f32, f16 or bf16 [M, K].
 * @param epilogue what becomes of the results before they are rounded to the type of y; GATED_SILU takes two layers of the same N. */
NQ_API nq_status nq_linear_group_forward(const nq_linear_layer* NQ_SPAN(count) layers, uint32_t count, const nq_tensor* x,
                                         nq_epilogue epilogue) NQ_NOEXCEPT;

/** Exact integer product y = a * b^T: a i8 [M, K], b i8 [N, K], y i32 [M, N]; K <= 130000. Source: bitsandbytes int8_linear_matmul. */
NQ_API nq_status nq_int8_matmul(const nq_tensor* a, const nq_tensor* b, const nq_tensor* y) NQ_NOEXCEPT;

/** y[m, n] = acc[m, n] * (row_absmax[m] * column_absmax[n]) * (1 / 127^2) + bias[n]: the epilogue of an int8 product.
 * @param acc i32 [M, N]. @param row_absmax f32, M elements. @param column_absmax f32, N elements. @param bias N elements or null.
 * @param y f32, f16 or bf16 [M, N]. Source: bitsandbytes int8_mm_dequant. */
NQ_API nq_status nq_int8_matmul_dequantize(const nq_tensor* acc, const nq_tensor* row_absmax, const nq_tensor* column_absmax,
                                           const nq_tensor* NQ_NULLABLE bias, const nq_tensor* y) NQ_NOEXCEPT;

/* ---- Transformer operations ---------------------------------------------------------------------------------------- */

/** y[t] = W[ids[t]]: rows of a dense matrix [vocabulary, C].
 * @param ids u32, T elements, each below the number of rows; INVALID_DATA names the first that is not.
 * @param y f32, f16 or bf16 [T, C]. */
NQ_API nq_status nq_embedding_forward(nq_matrix* matrix, const nq_tensor* ids, const nq_tensor* y) NQ_NOEXCEPT;

/** y = x / sqrt(mean(x^2) + epsilon) * weight, per row. In place allowed. Source: arXiv 1910.07467.
 * @param x f32, f16 or bf16 [T, C]. @param weight C elements. @param y f32, f16 or bf16 [T, C]. */
NQ_API nq_status nq_rmsnorm_forward(const nq_tensor* x, const nq_tensor* weight, float epsilon, const nq_tensor* y) NQ_NOEXCEPT;

/** Rotary position embedding in place, half-split convention: with h = columns of cosine, for every head and i < h
 * (x[i], x[i + h]) = (x[i] c - x[i + h] s, x[i + h] c + x[i] s), c = cosine[positions[t], i], s = sine[positions[t], i].
 * Elements 2h and beyond of a head stay. Source: arXiv 2104.09864.
 * @param x f32, f16 or bf16 [T, heads * head_dim].
 * @param head_dim elements of a head; at least 2h.
 * @param positions u32, T elements, each below the rows of cosine.
 * @param cosine f32 [positions, h]. @param sine f32 [positions, h]. */
NQ_API nq_status nq_rotary_forward(const nq_tensor* x, uint32_t head_dim, const nq_tensor* positions, const nq_tensor* cosine,
                                   const nq_tensor* sine) NQ_NOEXCEPT;

/** Makes an empty KV cache for one sequence. Memory is taken as positions are appended, in pages of 64 positions of every layer.
 * With D = head_dim, D' = D rounded up to 16, a position of one layer takes kv_heads * (D + D') * e bytes, e = 4, 2, 1 for f32, bf16, i8
 * (bf16: D rounded up to 2), and 8 * kv_heads more for the scales of i8.
 *   f32   keys and values as given.
 *   bf16  keys and values rounded once, to nearest, ties to even: relative error at most 2^-8 each.
 *   i8    per position and head, keys and values apart: scale = absmax / 127, code = round(x * (127 / absmax)), ties to even, read back as
 *         code * scale: error at most absmax / 254 (1 + 2^-15), 0.6 % of the norm for 64 normally distributed elements. A head with a NaN
 *         or an infinity is read back as NaN, one with absmax < 2^-120 as 0.
 * Attention is computed in f32 from what is held. Scales per row: arXiv 2208.07339.
 * @param capacity most positions it may hold.
 * @param dtype type of the keys and values held: f32, bf16 or i8; f16 is UNSUPPORTED. */
NQ_API nq_status nq_kv_cache_create(nq_device* device, uint32_t layers, uint32_t kv_heads, uint32_t head_dim, uint64_t capacity,
                                    nq_dtype dtype, nq_kv_cache** NQ_OUT NQ_OWNED cache) NQ_NOEXCEPT;

/** Releases a cache handle. Null is allowed. */
NQ_API nq_status nq_kv_cache_destroy(nq_kv_cache* NQ_NULLABLE cache) NQ_NOEXCEPT;

/** Appends T positions to `layer`. @param keys, values f32, f16 or bf16 [T, kv_heads * head_dim]. INVALID_ARGUMENT past the capacity. */
NQ_API nq_status nq_kv_cache_append(nq_kv_cache* cache, uint32_t layer, const nq_tensor* keys, const nq_tensor* values) NQ_NOEXCEPT;

/** Positions held by `layer`. */
NQ_API nq_status nq_kv_cache_length(nq_kv_cache* cache, uint32_t layer, uint64_t* NQ_OUT length) NQ_NOEXCEPT;

/** Device memory that the cache holds. */
NQ_API nq_status nq_kv_cache_bytes(nq_kv_cache* cache, uint64_t* NQ_OUT bytes) NQ_NOEXCEPT;

/** Forgets every position from `length` on, in every layer; layers that hold fewer stay as they are. Frees pages not needed. */
NQ_API nq_status nq_kv_cache_truncate(nq_kv_cache* cache, uint64_t length) NQ_NOEXCEPT;

/** Causal grouped-query attention of the cache's last T positions: y[t, h] = sum_p softmax_p(scale * q[t, h] . k[p, h / (H / kv_heads)])
 * v[p, ...] over positions p <= P - T + t, P = length of the layer, and with window > 0 also p > P - T + t - window.
 * @param q f32, f16 or bf16 [T, H * head_dim], T <= P, H a multiple of kv_heads.
 * @param window positions attended to, the own one included; 0: all.
 * @param y f32, f16 or bf16 [T, H * head_dim]. Source: arXiv 1706.03762, 2305.13245 (grouped queries). */
NQ_API nq_status nq_attention_forward(nq_kv_cache* cache, uint32_t layer, const nq_tensor* q, float scale, uint64_t window,
                                      const nq_tensor* y) NQ_NOEXCEPT;

/** y = gate / (1 + exp(-gate)) * up, elementwise. In place allowed. @param gate, up, y f32, f16 or bf16 [T, C]. Source: arXiv 2002.05202.
 */
NQ_API nq_status nq_gated_silu_forward(const nq_tensor* gate, const nq_tensor* up, const nq_tensor* y) NQ_NOEXCEPT;

/** y = y + x, elementwise. @param x, y f32, f16 or bf16 [T, C]. */
NQ_API nq_status nq_residual_add_forward(const nq_tensor* x, const nq_tensor* y) NQ_NOEXCEPT;

/** y = logits - log(sum(exp(logits))) per row. In place allowed. @param logits, y f32, f16 or bf16 [T, V]. */
NQ_API nq_status nq_log_softmax_forward(const nq_tensor* logits, const nq_tensor* y) NQ_NOEXCEPT;

/** y[t] = log-softmax(logits[t])[ids[t]], natural logarithm, sums in f64. @param ids u32, T elements below V. @param y f32, T elements. */
NQ_API nq_status nq_token_log_probability_forward(const nq_tensor* logits, const nq_tensor* ids, const nq_tensor* y) NQ_NOEXCEPT;

#endif

# The CUDA library: host code over the driver API opened at run time, and device code embedded as data. clang compiles every kernel to PTX
# without anything of NVIDIA's; nvcc, if it is there and asked for, to machine code.
if(NOT NQ_CUDA)
    message(STATUS "CUDA: off")
    return()
endif()
find_program(NQ_CUDA_CLANG NAMES clang++-14 clang++)
if(NOT NQ_CUDA_CLANG)
    message(FATAL_ERROR "CUDA: clang++ was not found (Debian package clang-14); -DNQ_CUDA=OFF builds without the CUDA library")
endif()
message(STATUS "CUDA: kernels by ${NQ_CUDA_CLANG}, as PTX for compute capability 7.5 and 8.0")

set(NQ_CUDA_DIRECTORY ${PROJECT_SOURCE_DIR}/native/src/cuda)
set(NQ_CUDA_INCLUDES ${PROJECT_SOURCE_DIR}/native/src ${PROJECT_SOURCE_DIR}/native/include)
file(GLOB NQ_CUDA_KERNELS CONFIGURE_DEPENDS ${NQ_CUDA_DIRECTORY}/kernels/*.cu)

# nq_add_kernel_images(NAME SOURCES...): NAME.cpp in cuda/ of the build, which holds the kernel files as PTX for each architecture. NAME_source is
# its path, NAME_ptx are the paths of the PTX.
set(cuda_out ${PROJECT_BINARY_DIR}/cuda)
list(TRANSFORM NQ_CUDA_INCLUDES PREPEND -I OUTPUT_VARIABLE include_flags)
set(NQ_CUDA_CLANG_FLAGS -x cuda --cuda-device-only -nocudainc -nocudalib -Xclang -target-feature -Xclang +ptx75 -O3 -std=c++20 -ffp-contract=off -fno-exceptions)
function(nq_add_kernel_images target)
    set(all_ptx "")
    set(images_code "#include \"cuda/images.h\"\n")
    set(images_list "")
    foreach(source ${ARGN})
        get_filename_component(name ${source} NAME_WE)
        foreach(architecture 75 80)
            set(ptx ${cuda_out}/${name}.sm_${architecture}.ptx)
            # // image: NAME is how tests recognise an image.
            if(NOT ${ptx} IN_LIST NQ_CUDA_PTX)
                add_custom_command(OUTPUT ${ptx}
                    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${NQ_CUDA_CLANG} ${NQ_CUDA_CLANG_FLAGS} --cuda-gpu-arch=sm_${architecture} -Wall -Wextra -Werror -Wno-unknown-cuda-version ${include_flags} -MD -MF ${ptx}.d -MT ${ptx} -S ${source} -o ${ptx}.body
                    COMMAND ${CMAKE_COMMAND} -D BODY=${ptx}.body -D NAME=${name} -D ARCHITECTURE=${architecture} -D PTX=${ptx} -P ${PROJECT_SOURCE_DIR}/cmake/name_image.cmake
                    DEPENDS ${source} ${PROJECT_SOURCE_DIR}/cmake/name_image.cmake DEPFILE ${ptx}.d VERBATIM
                    COMMENT "Compiling kernels ${name} for sm_${architecture}")
            endif()
            list(APPEND all_ptx ${ptx})
            string(APPEND images_code "asm(\".section .rodata\\n.balign 16\\nnq_image_${name}_${architecture}:\\n.incbin \\\"${ptx}\\\"\\nnq_image_${name}_${architecture}_end:\\n.byte 0\\n.text\");\n"
                "extern \"C\" const char nq_image_${name}_${architecture}[], nq_image_${name}_${architecture}_end[];\n")
            string(APPEND images_list "    {\"${name}\", ${architecture}, nq_image_${name}_${architecture}, static_cast<size_t>(nq_image_${name}_${architecture}_end - nq_image_${name}_${architecture})},\n")
        endforeach()
    endforeach()
    file(CONFIGURE OUTPUT ${cuda_out}/${target}.cpp CONTENT "${images_code}
namespace nq::cuda {
namespace {
const image all[] = {
${images_list}};
}
std::span<const image> images() { return all; }
}  // namespace nq::cuda
" @ONLY)
    set_source_files_properties(${cuda_out}/${target}.cpp PROPERTIES OBJECT_DEPENDS "${all_ptx}")
    set(${target}_source ${cuda_out}/${target}.cpp PARENT_SCOPE)
    set(${target}_ptx ${all_ptx} PARENT_SCOPE)
endfunction()
nq_add_kernel_images(images ${NQ_CUDA_KERNELS})
set(NQ_CUDA_PTX ${images_ptx})

file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${NQ_CUDA_DIRECTORY}/*.cpp)
set(format_tables ${PROJECT_SOURCE_DIR}/native/src/formats/codebooks.cpp ${PROJECT_SOURCE_DIR}/native/src/formats/dynamic_maps.cpp)
add_library(nq_cuda_host OBJECT ${cuda_sources} ${format_tables})
target_include_directories(nq_cuda_host PUBLIC ${NQ_CUDA_INCLUDES})
target_compile_definitions(nq_cuda_host PRIVATE NQ_VERSION="${PROJECT_VERSION}")
target_link_libraries(nq_cuda_host PUBLIC nq_compiler)
add_library(nativequant_cuda SHARED $<TARGET_OBJECTS:nq_cuda_host> ${images_source})
target_include_directories(nativequant_cuda PRIVATE ${NQ_CUDA_INCLUDES})
target_link_libraries(nativequant_cuda PRIVATE nq_compiler)
set_target_properties(nativequant_cuda PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/native LINK_DEPENDS ${PROJECT_SOURCE_DIR}/native/exports.map)
target_link_options(nativequant_cuda PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/native/exports.map -Wl,-z,nodelete)
if(NOT NQ_SANITIZE)
    target_link_options(nativequant_cuda PRIVATE -static-libstdc++ -Wl,--gc-sections -Wl,--no-undefined)
endif()

# The kernel lab: earlier versions of kernels beside the final ones (docs/adding-a-kernel.md).
if(NQ_BUILD_TESTS OR NQ_BUILD_BENCHMARKS)
    set(NQ_CUDA_LAB_DIRECTORY ${PROJECT_SOURCE_DIR}/native/bench/cuda)
    file(GLOB NQ_CUDA_LAB_KERNELS CONFIGURE_DEPENDS ${NQ_CUDA_LAB_DIRECTORY}/*.cu)
    nq_add_kernel_images(lab_images ${NQ_CUDA_KERNELS} ${NQ_CUDA_LAB_KERNELS})
    add_executable(kernel_lab ${NQ_CUDA_LAB_DIRECTORY}/kernel_lab.cpp ${lab_images_source} $<TARGET_OBJECTS:nq_cuda_host>)
    target_link_libraries(kernel_lab PRIVATE nq_cuda_host)
endif()

if(NQ_BUILD_TESTS)
    add_subdirectory(tests/cuda-emulation)
endif()

# The CUDA library: host code over the driver API opened at run time, and device code embedded as data. clang compiles every kernel to PTX
# without anything of NVIDIA's; nvcc, if NQ_CUDA_NVCC names it, to machine code of five architectures.
set(NQ_CUDA_NVCC "" CACHE FILEPATH "nvcc 12 or later, to embed machine code in place of PTX")
if(NOT NQ_CUDA)
    message(STATUS "CUDA: off")
    return()
endif()
if(NQ_CUDA_NVCC)
    set(cuda_oldest_driver 12000)
    set(cuda_image_architectures 75)  # one fat binary serves from there on
    set(cuda_image_type fatbin)
    message(STATUS "CUDA: kernels by ${NQ_CUDA_NVCC}, as machine code for compute capability 7.5, 8.0, 8.6, 8.9 and 9.0")
else()
    find_program(NQ_CUDA_CLANG NAMES clang++-14 clang++)
    if(NOT NQ_CUDA_CLANG)
        message(FATAL_ERROR "CUDA: clang++ was not found (Debian package clang-14); -DNQ_CUDA=OFF builds without the CUDA library")
    endif()
    set(cuda_oldest_driver 11050)
    set(cuda_image_architectures 75 80)
    set(cuda_image_type ptx)
    message(STATUS "CUDA: kernels by ${NQ_CUDA_CLANG}, as PTX for compute capability 7.5 and 8.0")
endif()

set(NQ_CUDA_DIRECTORY ${PROJECT_SOURCE_DIR}/native/src/cuda)
set(NQ_CUDA_INCLUDES ${PROJECT_SOURCE_DIR}/native/src ${PROJECT_SOURCE_DIR}/native/include)
file(GLOB NQ_CUDA_KERNELS CONFIGURE_DEPENDS ${NQ_CUDA_DIRECTORY}/kernels/*.cu)

set(cuda_out ${PROJECT_BINARY_DIR}/cuda)
list(TRANSFORM NQ_CUDA_INCLUDES PREPEND -I OUTPUT_VARIABLE include_flags)
set(NQ_CUDA_CLANG_FLAGS -x cuda --cuda-device-only -nocudainc -nocudalib -Xclang -target-feature -Xclang +ptx75 -O3 -std=c++20 -ffp-contract=off -fno-exceptions)

# nq_compile_kernels(SOURCE ARCHITECTURE OUTPUT): one image of a kernel file.
function(nq_compile_kernels source architecture output)
    if(NQ_CUDA_NVCC)
        set(code "")  # diagnostic 128: loops that an instance of a template leaves empty
        foreach(each 75 80 86 89 90)
            list(APPEND code -gencode arch=compute_${each},code=sm_${each})
        endforeach()
        add_custom_command(OUTPUT ${output}
            COMMAND ${NQ_CUDA_NVCC} -fatbin -std=c++20 -O3 -fmad=false -Werror all-warnings -diag-suppress=128 ${code} -gencode arch=compute_90,code=compute_90 ${include_flags}
                -MD -MF ${output}.d -MT ${output} ${source} -o ${output}
            DEPENDS ${source} DEPFILE ${output}.d VERBATIM COMMENT "Compiling kernels ${source} with nvcc")
        return()
    endif()
    get_filename_component(name ${source} NAME_WE)
    # // image: NAME is how tests recognise an image.
    add_custom_command(OUTPUT ${output}
        COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${NQ_CUDA_CLANG} ${NQ_CUDA_CLANG_FLAGS} --cuda-gpu-arch=sm_${architecture} -Wall -Wextra -Werror
            -Wno-unknown-cuda-version ${include_flags} -MD -MF ${output}.d -MT ${output} -S ${source} -o ${output}.body
        COMMAND ${CMAKE_COMMAND} -D BODY=${output}.body -D NAME=${name} -D ARCHITECTURE=${architecture} -D PTX=${output} -P ${PROJECT_SOURCE_DIR}/cmake/name_image.cmake
        DEPENDS ${source} ${PROJECT_SOURCE_DIR}/cmake/name_image.cmake DEPFILE ${output}.d VERBATIM
        COMMENT "Compiling kernels ${name} for sm_${architecture}")
endfunction()

# nq_add_kernel_images(NAME SOURCES...): NAME.cpp in cuda/ of the build, which holds the compiled kernel files. NAME_source is its path,
# NAME_files are the paths of the images.
function(nq_add_kernel_images target)
    set(all_images "")
    set(images_code "#include \"cuda/images.h\"\n")
    set(images_list "")
    foreach(source ${ARGN})
        get_filename_component(name ${source} NAME_WE)
        foreach(architecture ${cuda_image_architectures})
            set(image ${cuda_out}/${name}.sm_${architecture}.${cuda_image_type})
            if(NOT ${image} IN_LIST NQ_CUDA_IMAGES)
                nq_compile_kernels(${source} ${architecture} ${image})
            endif()
            list(APPEND all_images ${image})
            string(APPEND images_code "asm(\".section .rodata\\n.balign 16\\nnq_image_${name}_${architecture}:\\n.incbin \\\"${image}\\\"\\nnq_image_${name}_${architecture}_end:\\n.byte 0\\n.text\");\n"
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
    set_source_files_properties(${cuda_out}/${target}.cpp PROPERTIES OBJECT_DEPENDS "${all_images}")
    set(${target}_source ${cuda_out}/${target}.cpp PARENT_SCOPE)
    set(${target}_files ${all_images} PARENT_SCOPE)
endfunction()
nq_add_kernel_images(images ${NQ_CUDA_KERNELS})
set(NQ_CUDA_IMAGES ${images_files})

file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${NQ_CUDA_DIRECTORY}/*.cpp)
set(format_tables ${PROJECT_SOURCE_DIR}/native/src/formats/codebooks.cpp ${PROJECT_SOURCE_DIR}/native/src/formats/dynamic_maps.cpp)
add_library(nq_cuda_host OBJECT ${cuda_sources} ${format_tables})
target_include_directories(nq_cuda_host PUBLIC ${NQ_CUDA_INCLUDES})
target_compile_definitions(nq_cuda_host PRIVATE NQ_VERSION="${PROJECT_VERSION}" NQ_OLDEST_DRIVER=${cuda_oldest_driver})
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
    foreach(program kernel_lab cuda_bench)
        add_executable(${program} ${NQ_CUDA_LAB_DIRECTORY}/${program}.cpp ${lab_images_source} $<TARGET_OBJECTS:nq_cuda_host>)
        target_link_libraries(${program} PRIVATE nq_cuda_host)
    endforeach()
endif()

if(NQ_BUILD_TESTS)
    add_subdirectory(tests/cuda-emulation)
endif()

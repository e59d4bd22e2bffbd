# CPU implementations: one folder and one line each. nq_add_implementation(name FLAGS...) compiles every file of native/src/cpu/<name>
# with its own instruction-set flags into an object library (no such flag reaches any other file) and defines NQ_CPU_<NAME> for the list in
# dispatch.cpp. A folder without sources is no implementation.
set(NQ_IMPLEMENTATION_OBJECTS "")
function(nq_add_implementation name)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/native/src/cpu/${name}/*.cpp)
    if(NOT sources)
        return()
    endif()
    add_library(nq_cpu_${name} OBJECT ${sources})
    target_include_directories(nq_cpu_${name} PRIVATE ${PROJECT_SOURCE_DIR}/native/include ${PROJECT_SOURCE_DIR}/native/src)
    target_compile_options(nq_cpu_${name} PRIVATE ${ARGN})
    target_link_libraries(nq_cpu_${name} PRIVATE nq_compiler)
    string(TOUPPER ${name} upper)
    add_compile_definitions(NQ_CPU_${upper})
    set(NQ_IMPLEMENTATION_OBJECTS ${NQ_IMPLEMENTATION_OBJECTS} $<TARGET_OBJECTS:nq_cpu_${name}> PARENT_SCOPE)
endfunction()

nq_add_implementation(scalar)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_definitions(NQ_X86_64)
    nq_add_implementation(avx2 -mavx2 -mfma -mf16c)
    # GCC 12 takes the _mm512_undefined_* operands inside its own intrinsics for uninitialized variables (GCC bug 105593).
    set(intrinsics_warnings $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized$<SEMICOLON>-Wno-maybe-uninitialized>)
    set(avx512_flags ${intrinsics_warnings} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c)
    nq_add_implementation(avx512 ${avx512_flags})
    nq_add_implementation(amx ${avx512_flags})  # tile instructions are inline assembly
endif()

# Flags every native target shares. -ffp-contract=off: quantizers and dequantizers must round product and sum separately on
# every implementation; kernels that want a fused multiply-add say so with an intrinsic.
add_library(nq_compiler INTERFACE)
target_compile_options(nq_compiler INTERFACE -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno)
if(NQ_SANITIZE)
    # Not targets with NQ_WITHOUT_SANITIZERS: code on stacks of its own making, which the sanitizers do not follow.
    set(sanitized "$<NOT:$<BOOL:$<TARGET_PROPERTY:NQ_WITHOUT_SANITIZERS>>>")
    # Not enum: a C caller may pass any integer, and refusing it is what the argument checks are for.
    foreach(option -fsanitize=${NQ_SANITIZE} -fno-sanitize=enum -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_compile_options(nq_compiler INTERFACE "$<${sanitized}:${option}>")
    endforeach()
    target_link_options(nq_compiler INTERFACE -fsanitize=${NQ_SANITIZE})
endif()

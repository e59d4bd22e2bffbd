// Which implementations the other kernel tests run: all that this processor can, and they are what they say.
#include "cpu/processors.h"
#include "kernel_testing.h"

namespace nq::cpu::testing {
namespace {

TEST(ImplementationKernels, EndWithTheScalarReference) {
    ASSERT_FALSE(implementations().empty());
    EXPECT_STREQ(implementations().back()->name, "scalar");
    EXPECT_TRUE(supported(*implementations().back()));
}

#if defined(NQ_X86_64)
TEST(ImplementationKernels, AreRunnableWhereTheProcessorHasTheirInstructions) {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    const bool avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                        __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
                        __builtin_cpu_supports("avx512vnni") != 0;
    EXPECT_EQ(supported(implementation("avx2")), avx2);
    EXPECT_EQ(supported(implementation("avx512")), avx512);
    const bool tiles =
        __builtin_cpu_supports("amx-tile") != 0 && __builtin_cpu_supports("amx-bf16") != 0 && __builtin_cpu_supports("amx-int8") != 0;
    EXPECT_EQ(supported(implementation("amx")), avx512 && tiles && !has_cpu_features("amx-refused"));
}

TEST(ImplementationKernels, AreEmulatedOnlyWhenAskedFor) {
    if (std::getenv("NATIVEQUANT_CPU") != nullptr) GTEST_SKIP() << "NATIVEQUANT_CPU asks for one";
    EXPECT_STRNE(select_implementation(nullptr).name, "amx_emulated");
}
#endif

class ImplementationKernel : public KernelTest {};
NQ_FOR_EVERY_IMPLEMENTATION(ImplementationKernel);

TEST_P(ImplementationKernel, IsTheOneAskedForByName) {
    EXPECT_EQ(GetParam(), kernel().name);
    EXPECT_STREQ(select_implementation(GetParam().c_str()).name, kernel().name);
    EXPECT_GT(std::strlen(kernel().description), 0u);
}

}  // namespace
}  // namespace nq::cpu::testing

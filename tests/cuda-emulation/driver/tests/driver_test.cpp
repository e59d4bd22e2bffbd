// The emulated driver itself: what tests of the library's host side rely on.
#include <filesystem>
#include <fstream>

#include "opened_driver.h"

namespace emulation::testing {
namespace {

using EmulatedDriver = opened_driver;

TEST_F(EmulatedDriver, shows_the_devices_of_its_environment) {
    set("NQ_EMULATED_DEVICES", "2");
    set("NQ_EMULATED_DRIVER_VERSION", "11040");
    set("NQ_EMULATED_COMPUTE_CAPABILITY", "7.5");
    set("NQ_EMULATED_MEMORY", "1000");
    ASSERT_EQ(driver.init(0), api::success);
    int value = 0;
    EXPECT_EQ(driver.get_device_count(&value), api::success);
    EXPECT_EQ(value, 2);
    EXPECT_EQ(driver.get_version(&value), api::success);
    EXPECT_EQ(value, 11040);
    EXPECT_EQ(driver.get_device_attribute(&value, api::device_attribute::compute_capability_minor, 1), api::success);
    EXPECT_EQ(value, 5);
    EXPECT_EQ(driver.get_device_attribute(&value, api::device_attribute::shared_memory_per_block_optin, 1), api::success);
    EXPECT_EQ(value, 64 << 10);
    size_t bytes = 0;
    EXPECT_EQ(driver.get_device_memory(&bytes, 0), api::success);
    EXPECT_EQ(bytes, 1000u);
    api::device d = 0;
    EXPECT_EQ(driver.get_device(&d, 2), api::invalid_device);

    set("NQ_EMULATED_DEVICES", "0");
    EXPECT_EQ(driver.init(0), api::no_device);
    set("NQ_EMULATED_DEVICES", "some");
    EXPECT_EQ(driver.init(0), invalid_value);
}

TEST_F(EmulatedDriver, names_its_errors) {
    const char* text = nullptr;
    EXPECT_EQ(driver.get_error_name(illegal_address, &text), api::success);
    EXPECT_STREQ(text, "CUDA_ERROR_ILLEGAL_ADDRESS");
    EXPECT_EQ(driver.get_error_string(4711, &text), invalid_value);
}

TEST_F(EmulatedDriver, has_only_the_memory_it_says) {
    set("NQ_EMULATED_MEMORY", "1000");
    start();
    const api::device_pointer a = allocated(600);
    api::device_pointer b = 0;
    EXPECT_EQ(driver.allocate(&b, 401), api::out_of_memory);
    size_t free = 0, total = 0;
    EXPECT_EQ(driver.get_memory_info(&free, &total), api::success);
    EXPECT_EQ(free, 400u);
    EXPECT_EQ(driver.free(a), api::success);
    EXPECT_EQ(driver.free(a), invalid_value) << "twice";
    EXPECT_EQ(driver.allocate(&b, 0), invalid_value);
    const api::device_pointer c = allocated(1000);
    EXPECT_EQ(driver.set_bytes(c, 1, 1001, stream), invalid_value) << "beyond the end";
    EXPECT_EQ(driver.set_bytes(c + 999, 1, 1, stream), api::success);
    EXPECT_EQ(driver.copy_on_device(c, a, 4, stream), invalid_value) << "of memory that is freed";
    EXPECT_EQ(driver.free(c), api::success);
}

TEST_F(EmulatedDriver, refuses_what_lacks_a_context_or_names_nothing) {
    start();
    EXPECT_EQ(driver.set_current_context(nullptr), api::success);
    api::device_pointer a = 0;
    EXPECT_EQ(driver.allocate(&a, 4), invalid_context);
    start();
    api::stream other = nullptr;
    EXPECT_EQ(driver.create_stream(&other, 0), api::success);
    EXPECT_EQ(driver.destroy_stream(other), api::success);
    EXPECT_EQ(driver.destroy_stream(other), invalid_handle);
    EXPECT_EQ(driver.synchronize_stream(other), invalid_handle);
    EXPECT_EQ(driver.free_host(&a), invalid_value);
}

TEST_F(EmulatedDriver, runs_kernels_on_device_memory) {
    start();
    const api::device_pointer a = allocated(128);
    EXPECT_EQ(driver.set_bytes(a, 0, 128, stream), api::success);
    const long long before = count("launches");
    EXPECT_EQ(launch(kernel(add_number), {a, 5}), api::success);
    EXPECT_EQ(read(a, 32), std::vector<uint32_t>(32, 5));
    EXPECT_EQ(count("launches"), before + 1);
    EXPECT_EQ(driver.free(a), api::success);
}

TEST_F(EmulatedDriver, reports_what_a_kernel_did_when_it_is_waited_for_and_then_always) {
    start();
    const struct {
        const char* body;
        api::result error;
    } faults[] = {{"st.global.u32 [%rd1+128], %r2;", illegal_address},
                  {"ld.global.u64 %rd3, [%rd1];", misaligned_address},
                  {"trap;", illegal_instruction},
                  {"setp.lt.u32 %p, %r0, 16; @!%p exit; shfl.sync.idx.b32 %r1, %r0, 20, 31, 0xffffffff;", launch_failed}};
    for (const auto& [body, error] : faults) {
        const api::device_pointer a = allocated(128);
        const api::function f = kernel(body, ".reg .pred %p;\n");
        EXPECT_EQ(launch(f, {a}), api::success) << "a launch does not wait";
        EXPECT_EQ(launch(f, {a}), api::success) << "and nobody has been told";
        EXPECT_EQ(driver.synchronize_stream(stream), error);
        api::device_pointer b = 0;
        EXPECT_EQ(driver.allocate(&b, 4), error);
        EXPECT_EQ(launch(f, {a}), error);
        fail(nullptr, 0, 0);
        EXPECT_EQ(driver.free(a), api::success);
    }
}

TEST_F(EmulatedDriver, refuses_launches_a_device_would_refuse_at_once) {
    start();
    const api::device_pointer a = allocated(4);
    const api::function f = kernel("", ".shared .align 4 .b8 s[4096];\nst.shared.u32 [s], 0;\nst.shared.u32 [dynamic], 0;\n");
    EXPECT_EQ(launch(f, {a}, 65), invalid_value) << "more threads than the kernel takes";
    EXPECT_EQ(launch(f, {a}, 32, 45 << 10), invalid_value) << "static arrays count too";
    EXPECT_EQ(driver.set_function_attribute(f, api::function_attribute::max_dynamic_shared_size_bytes, 160 << 10), invalid_value);
    EXPECT_EQ(driver.set_function_attribute(f, api::function_attribute::max_dynamic_shared_size_bytes, 100 << 10), api::success);
    EXPECT_EQ(launch(f, {a}, 32, 100 << 10), api::success);
    EXPECT_EQ(driver.synchronize_stream(stream), api::success);
    EXPECT_EQ(driver.free(a), api::success);
}

TEST_F(EmulatedDriver, refuses_images_and_kernels_it_cannot_run) {
    start();
    api::module m = nullptr;
    EXPECT_EQ(driver.load_module(&m, "no PTX at all"), invalid_ptx);
    ASSERT_EQ(driver.load_module(&m, ".version 7.5\n.target sm_80\n.visible .entry k()\n{\nwgmma.fence.sync.aligned;\nret;\n}\n"),
              api::success);
    api::function f = nullptr;
    EXPECT_EQ(driver.get_function(&f, m, "k"), invalid_ptx);
    EXPECT_EQ(driver.get_function(&f, m, "other"), api::not_found);
    EXPECT_EQ(driver.unload_module(m), api::success);
    EXPECT_EQ(driver.unload_module(m), invalid_handle);
}

TEST_F(EmulatedDriver, in_a_late_stream_pinned_memory_is_read_when_the_copy_runs) {
    set("NQ_EMULATED_STREAM", "late");
    start();
    const api::device_pointer a = allocated(8);
    void* memory = nullptr;
    ASSERT_EQ(driver.allocate_host(&memory, 8, 0), api::success);
    auto* const pinned = static_cast<uint32_t*>(memory);
    uint32_t pageable = 1;
    pinned[0] = 1;
    EXPECT_EQ(driver.copy_to_device(a, pinned, 4, stream), api::success);
    EXPECT_EQ(driver.copy_to_device(a + 4, &pageable, 4, stream), api::success);
    pinned[0] = pageable = 2;
    EXPECT_EQ(read(a, 2), (std::vector<uint32_t>{2, 1}));

    // An event is waited for no longer than to where it was recorded.
    api::event e = nullptr;
    ASSERT_EQ(driver.create_event(&e, api::event_disable_timing), api::success);
    EXPECT_EQ(driver.copy_to_host(&pinned[0], a + 4, 4, stream), api::success);
    EXPECT_EQ(driver.record_event(e, stream), api::success);
    EXPECT_EQ(driver.copy_to_host(&pinned[1], a + 4, 4, stream), api::success);
    pinned[0] = pinned[1] = 9;
    EXPECT_EQ(driver.synchronize_event(e), api::success);
    EXPECT_EQ(pinned[0], 1u);
    EXPECT_EQ(pinned[1], 9u);
    EXPECT_EQ(driver.free_host(memory), api::success) << "waits for the copy to it";
    EXPECT_EQ(driver.destroy_event(e), api::success);
    EXPECT_EQ(driver.free(a), api::success);
}

TEST_F(EmulatedDriver, fails_where_a_test_asks_it_to) {
    start();
    fail("cuMemAlloc_v2", 1, api::out_of_memory);
    const api::device_pointer a = allocated(4);
    api::device_pointer b = 0;
    EXPECT_EQ(driver.allocate(&b, 4), api::out_of_memory);
    EXPECT_EQ(driver.allocate(&b, 4), api::success) << "once only";
    fail("cuStreamSynchronize", 0, illegal_address);
    EXPECT_EQ(driver.synchronize_stream(stream), illegal_address);
    EXPECT_EQ(driver.free(a), illegal_address) << "a context is lost for good";
    fail(nullptr, 0, 0);
    EXPECT_EQ(driver.free(a), api::success);
    EXPECT_EQ(driver.free(b), api::success);
}

TEST_F(EmulatedDriver, replays_graphs_with_the_parameters_last_set) {
    start();
    const api::device_pointer a = allocated(128);
    EXPECT_EQ(driver.set_bytes(a, 0, 128, stream), api::success);
    const api::function f = kernel(add_number);
    const auto node_of = [&](arguments& arguments, void** parameters) {
        parameters[0] = &arguments;
        return api::kernel_node_parameters{f, 1, 1, 1, 32, 1, 1, 0, parameters, nullptr};
    };
    arguments one{a, 1}, ten{a, 10};
    void* parameters[1];
    api::graph g = nullptr;
    ASSERT_EQ(driver.create_graph(&g, 0), api::success);
    api::graph_node nodes[2] = {};
    api::kernel_node_parameters node = node_of(one, parameters);
    ASSERT_EQ(driver.add_kernel_node(&nodes[0], g, nullptr, 0, &node), api::success);
    ASSERT_EQ(driver.add_kernel_node(&nodes[1], g, nodes, 1, &node), api::success);
    const api::graph_node nobody = nullptr;
    EXPECT_EQ(driver.add_kernel_node(&nodes[1], g, &nobody, 1, &node), invalid_value);
    api::graph_executable e = nullptr;
    ASSERT_EQ(driver.instantiate_graph(&e, g, 0), api::success);
    EXPECT_EQ(driver.destroy_graph(g), api::success);
    one.number = 100;  // taken when the node was added
    EXPECT_EQ(driver.launch_graph(e, stream), api::success);
    EXPECT_EQ(read(a, 1)[0], 2u);
    node = node_of(ten, parameters);
    EXPECT_EQ(driver.set_kernel_node(e, nodes[0], &node), api::success);
    EXPECT_EQ(driver.set_kernel_node(e, nobody, &node), invalid_value);
    EXPECT_EQ(driver.launch_graph(e, stream), api::success);
    EXPECT_EQ(read(a, 1)[0], 13u);
    EXPECT_EQ(driver.destroy_graph_executable(e), api::success);
    EXPECT_EQ(driver.free(a), api::success);
}

TEST_F(EmulatedDriver, takes_the_file_of_a_folder_for_the_image_of_its_name) {
    const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "nq_images";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "replaced.sm_80.ptx")
        << ".version 7.5\n.target sm_80\n.visible .entry k(.param .align 8 .b8 p[16])\n{\n.reg .b64 %rd<3>;\nld.param.u64 %rd1, [p];\n"
           "st.global.u32 [%rd1], 77;\nret;\n}\n";
    set("NQ_PTX_DIRECTORY", folder.c_str());
    start();
    const api::device_pointer a = allocated(128);
    for (const auto& [name, expected] : {std::pair("replaced", 77u), std::pair("another", 5u)}) {
        EXPECT_EQ(driver.set_bytes(a, 0, 128, stream), api::success);
        EXPECT_EQ(launch(kernel(add_number, "", name), {a, 5}, 1), api::success);
        EXPECT_EQ(read(a, 1)[0], expected);
    }
    EXPECT_EQ(driver.free(a), api::success);
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace emulation::testing

// llama.cpp end to end on a GGUF model. Prints a line of JSON when loaded, then answers each line of input with a line of times per token:
//   prefill N       one pass over N tokens in an empty context
//   decode N        N tokens one by one, from an empty context; the times are medians over the tokens
// usage: llama_model MODEL THREADS
#include "llama.h"

#include <algorithm>

#include "contestant.h"
#include "ggml-backend.h"

namespace {

struct duration {
    double wall, cpu;
};

template <class Work>
duration measure(int threads, const Work& work) {
    const double wall = contestant::now(CLOCK_MONOTONIC), cpu = contestant::now(CLOCK_PROCESS_CPUTIME_ID);
    work();
    return {contestant::now(CLOCK_MONOTONIC) - wall, (contestant::now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / threads};
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void answer(double wall, double cpu) {
    std::printf("{\"wall\":%.9g,\"cpu\":%.9g}\n", wall, cpu);
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) contestant::fail("usage: llama_model MODEL THREADS");
    const int threads = std::atoi(arguments[2]);
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    ggml_backend_load_all();
    llama_backend_init();
    llama_model* model = llama_model_load_from_file(arguments[1], llama_model_default_params());
    if (model == nullptr) contestant::fail(std::string("cannot load ") + arguments[1]);
    llama_context_params parameters = llama_context_default_params();
    parameters.n_ctx = 1024;
    parameters.n_batch = parameters.n_ubatch = 512;
    parameters.n_threads = parameters.n_threads_batch = threads;
    llama_context* context = llama_init_from_model(model, parameters);
    if (context == nullptr) contestant::fail("cannot make a context");

    const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
    const auto pass = [&](std::vector<llama_token>& tokens) {
        if (llama_decode(context, llama_batch_get_one(tokens.data(), static_cast<int32_t>(tokens.size()))) != 0)
            contestant::fail("llama_decode failed");
        llama_synchronize(context);
    };
    const auto clear = [&] { llama_memory_clear(llama_get_memory(context), true); };
    std::vector<llama_token> one = {5};
    pass(one);
    contestant::ready(std::string("llama.cpp, ggml ") + ggml_version(), "llama.cpp", llama_model_size(model), 0);

    char line[64];
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        int n = 0;
        clear();
        if (std::sscanf(line, "prefill %d", &n) == 1) {
            std::vector<llama_token> tokens;
            for (int i = 0; i < n; ++i) tokens.push_back((i * 7919 + 11) % vocabulary);
            const duration time = measure(threads, [&] { pass(tokens); });
            answer(time.wall / n, time.cpu / n);
        } else if (std::sscanf(line, "decode %d", &n) == 1) {
            std::vector<double> wall, cpu;
            for (int i = 0; i < n; ++i) {
                one[0] = (i * 7919 + 11) % vocabulary;
                const duration time = measure(threads, [&] { pass(one); });
                wall.push_back(time.wall);
                cpu.push_back(time.cpu);
            }
            answer(median(wall), median(cpu));
        } else {
            contestant::fail(std::string("unknown request ") + line);
        }
    }
}

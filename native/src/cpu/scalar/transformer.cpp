// Norms, rotary embedding, activations and softmax.
#include <cmath>
#include <limits>

#include "cpu/scalar/scalar.h"

namespace nq::cpu::scalar {

void rmsnorm_row(const float* x, const float* weight, float epsilon, float* y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += static_cast<double>(x[i]) * x[i];
    const double scale = 1 / std::sqrt(sum / static_cast<double>(n) + epsilon);
    for (size_t i = 0; i < n; i++) y[i] = static_cast<float>(x[i] * scale * weight[i]);
}

void rotary_head(float* x, const float* cosine, const float* sine, size_t half) {
    for (size_t i = 0; i < half; i++) {
        const float first = x[i], second = x[i + half];
        x[i] = first * cosine[i] - second * sine[i];
        x[i + half] = second * cosine[i] + first * sine[i];
    }
}

void gated_silu(const float* gate, const float* up, float* y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void add(const float* x, float* y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

float exp_sum(const float* x, float largest, float* y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        y[i] = std::exp(x[i] - largest);
        sum += y[i];
    }
    return static_cast<float>(sum);
}

float largest(const float* x, size_t n) {
    float result = -std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < n; i++) {
        if (std::isnan(x[i])) return x[i];
        result = std::fmax(result, x[i]);
    }
    return result;
}

double log_sum_exp(const float* x, size_t n) {
    const double most = largest(x, n);
    if (!std::isfinite(most)) return most;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += std::exp(x[i] - most);
    return most + std::log(sum);
}

}  // namespace nq::cpu::scalar

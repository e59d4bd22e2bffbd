// The natural logarithm in f64: device code has none to call.
#pragma once

#include "cuda/device/target.h"

namespace nq::cuda {

// Of a positive, finite, normal number, to about 2^-52 of the larger of 1 and the result: x = m 2^e with m in [sqrt(1/2), sqrt(2)),
// s = (m - 1) / (m + 1), ln x = e ln 2 + 2 (s + s^3 / 3 + s^5 / 5 + ...); |s| < 0.172, so that s^23 / 23 is below 2^-62.
NQ_HOST_DEVICE double natural_logarithm(double x) {
    constexpr uint64_t mantissa = (uint64_t{1} << 52) - 1, root_of_two = 0x6a09e667f3bcd, one = uint64_t{1023} << 52;
    constexpr double ln_2 = 0.693147180559945309417;
    const uint64_t bits = __builtin_bit_cast(uint64_t, x);
    const bool upper = (bits & mantissa) >= root_of_two;
    const int exponent = static_cast<int>(bits >> 52) - 1023 + (upper ? 1 : 0);
    const double m = __builtin_bit_cast(double, (bits & mantissa) | (upper ? one - (uint64_t{1} << 52) : one));
    const double s = (m - 1) / (m + 1), square = s * s;
    double series = 0;
    for (int n = 21; n >= 1; n -= 2) series = series * square + 2.0 / n;
    return exponent * ln_2 + s * series;
}

}  // namespace nq::cuda

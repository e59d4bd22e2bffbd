// LLM.int8(): what int8 codes and their products are multiplied by, beside the absmax.
#pragma once

namespace nq::formats {

inline constexpr float one_over_127 = 0x1.020408p-7f;          // 3C010204
inline constexpr float one_over_127_squared = 0x1.040c2p-14f;  // 38820610

}  // namespace nq::formats

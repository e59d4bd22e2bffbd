// Rows into panels.
#include <cstring>

#include "cpu/scalar/scalar.h"

namespace nq::cpu::scalar {

namespace {

template <class T>
void interleave(const char* rows, size_t stride, size_t valid, size_t count, char* panel) {
    for (size_t i = 0; i < count; i++) {
        T lanes[panel_rows] = {};
        for (size_t lane = 0; lane < valid; lane++) std::memcpy(&lanes[lane], rows + lane * stride + i * sizeof(T), sizeof(T));
        std::memcpy(panel + i * sizeof lanes, lanes, sizeof lanes);
    }
}

}  // namespace

void interleave_rows(const void* rows, size_t stride, size_t valid, size_t count, size_t width, void* panel) {
    const char* source = static_cast<const char*>(rows);
    char* destination = static_cast<char*>(panel);
    width == 4 ? interleave<uint32_t>(source, stride, valid, count, destination)
               : interleave<uint16_t>(source, stride, valid, count, destination);
}

void interleave_codes_4bit(const uint8_t* rows, size_t stride, size_t valid, size_t count, uint32_t* nibbles) {
    for (size_t i = 0; i < count; i++) {
        for (size_t lane = 0; lane < panel_rows; lane++) {
            uint32_t word = 0;
            for (unsigned pair = 0; pair < 4 && lane < valid; pair++) {  // high nibble: even column, low half-word
                const uint32_t byte = rows[lane * stride + i * 4 + pair];
                word |= (byte >> 4) << (4 * pair) | (byte & 15) << (16 + 4 * pair);
            }
            nibbles[i * panel_rows + lane] = word;
        }
    }
}

}  // namespace nq::cpu::scalar

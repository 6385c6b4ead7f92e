/**
 * Dropout's random bits, vectorised: Philox4x32-10 (Salmon et al., SC 2011) with key (seed, 0x5EA5) and counter
 * (column >> 2, row, call, step), word column & 3. The same bits as philoxKeepMask in src/ops/philox.ts, which is
 * the truth for every engine.
 *
 * Why on the fly: a stored mask costs a write and two reads of memory per element; these bits cost about 0.4 ns an
 * element with AVX-512 and are drawn again wherever they are needed.
 */
#pragma once

#include "cpu/ops/dropout.h"
#include "cpu/runtime/simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace reasvqa::REASVQA_ISA_NS {
namespace {

/** Each 64-bit lane holds one 32-bit word in its low half; the high half is garbage that multiply() ignores. */
typedef uint64_t vw __attribute__((vector_size(kLanes * 4)));
typedef uint32_t vu __attribute__((vector_size(kLanes * 4)));
constexpr int kBlocks = kLanes / 2;        // Philox blocks in a vector
constexpr int kDropoutColumns = 4 * kBlocks;  // elements they cover: two vectors of floats

inline vw multiply(vw a, vw b) {
#if REASVQA_ISA_LEVEL == 2
  return (vw)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
#elif REASVQA_ISA_LEVEL == 1
  return (vw)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (vw)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

/**
 * Calls body(column, multipliers, lanes) for every vector of a row's columns, in order; a multiplier is 0 where the
 * element is dropped and dropout.scale where it is kept.
 */
template <class F>
[[maybe_unused]] inline void forDropout(const Dropout& dropout, uint32_t row, int64_t columns, const F& body) {
  vw block;
  for (int i = 0; i < kBlocks; ++i) block[i] = static_cast<uint64_t>(i);
  const vw m0 = uint64_t{0xd2511f53} + vw{};
  const vw m1 = uint64_t{0xcd9e8d57} + vw{};
  const vu threshold = dropout.threshold + vu{};
  const vi scale = bitsOf(splat(dropout.scale));
  for (int64_t column = 0; column < columns; column += kDropoutColumns) {
    vw c0 = block + static_cast<uint64_t>(column >> 2);
    vw c1 = uint64_t{row} + vw{};
    vw c2 = uint64_t{dropout.call} + vw{};
    vw c3 = uint64_t{dropout.step} + vw{};
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const vw p0 = multiply(c0, m0);
      const vw p1 = multiply(c2, m1);
      c0 = (p1 >> 32) ^ c1 ^ (dropout.key0[round] + vw{});
      c2 = (p0 >> 32) ^ c3 ^ (dropout.key1[round] + vw{});
      c1 = p1;
      c3 = p0;
    }
    const vw low = uint64_t{0xffffffff} + vw{};
    const vw first = (c0 & low) | (c1 << 32);   // words 0 and 1 of each block
    const vw second = (c2 & low) | (c3 << 32);  // words 2 and 3
    vw words[2];
#if REASVQA_ISA_LEVEL == 2
    words[0] = __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11);
    words[1] = __builtin_shufflevector(first, second, 4, 12, 5, 13, 6, 14, 7, 15);
#elif REASVQA_ISA_LEVEL == 1
    words[0] = __builtin_shufflevector(first, second, 0, 4, 1, 5);
    words[1] = __builtin_shufflevector(first, second, 2, 6, 3, 7);
#else
    words[0] = __builtin_shufflevector(first, second, 0, 2);
    words[1] = __builtin_shufflevector(first, second, 1, 3);
#endif
    for (int part = 0; part < 2; ++part) {
      const int64_t at = column + part * kLanes;
      if (at >= columns) return;
      const vi keep = (vi)((vu)words[part] >= threshold);
      const int64_t left = columns - at;
      body(at, fromBits(keep & scale), left < kLanes ? static_cast<int>(left) : kLanes);
    }
  }
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS

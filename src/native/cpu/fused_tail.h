/**
 * Loads and stores of n <= kLanes floats by masked instructions: rows of 65 or 144 columns end in a tail every few
 * vectors, where the lane-by-lane form of simd.h would cost more than the rest of the row.
 */
#pragma once

#include "cpu/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

#if REASVQA_ISA_LEVEL == 1
[[maybe_unused]] inline __m256i tailMask(int n) {
  alignas(32) static const int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n));
}
#endif

/** n floats, zeros in the other lanes. */
[[maybe_unused]] inline vf loadTail(const float* p, int n) {
  if (n == kLanes) return load(p);
#if REASVQA_ISA_LEVEL == 2
  return (vf)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
#elif REASVQA_ISA_LEVEL == 1
  return (vf)_mm256_maskload_ps(p, tailMask(n));
#else
  return loadPartial(p, n);
#endif
}

[[maybe_unused]] inline void storeTail(float* p, vf v, int n) {
  if (n == kLanes) return store(p, v);
#if REASVQA_ISA_LEVEL == 2
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), (__m512)v);
#elif REASVQA_ISA_LEVEL == 1
  _mm256_maskstore_ps(p, tailMask(n), (__m256)v);
#else
  storePartial(p, v, n);
#endif
}

}  // namespace
}  // namespace reasvqa::REASVQA_ISA_NS

/** Conversion between f32 and bf16 (see storage.h). */
#include "cpu/runtime/storage.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 1 << 15;

/** The upper halves of v's lanes, rounded. */
vh narrowed(vf v) {
  const vi bits = bitsOf(v);
  const vi upper = (bits + splatInt(0x7fff) + ((bits >> 16) & splatInt(1))) >> 16;
  // Rounding could turn a NaN into infinity.
  const vi quiet = (bits >> 16) | splatInt(0x40);
  return __builtin_convertvector((v != v) ? quiet : upper, vh);
}

void narrow(const float* x, Bf16* y, int64_t n) {
  parallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
    forVectors(begin, end, [&](int64_t i, int lanes) {
      const vh bits = narrowed(loadN(x + i, lanes));
      __builtin_memcpy(y + i, &bits, static_cast<size_t>(lanes) * sizeof(Bf16));
    });
  });
}

void widen(const Bf16* x, float* y, int64_t n) {
  parallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
    forVectors(begin, end, [&](int64_t i, int lanes) {
      storeN(y + i, lanes == kLanes ? load(x + i) : loadPartial(x + i, lanes), lanes);
    });
  });
}

}  // namespace

const StorageKernels storage = {narrow, widen};

}  // namespace reasvqa::REASVQA_ISA_NS

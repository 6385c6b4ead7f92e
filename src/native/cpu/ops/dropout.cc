/**
 * fusedDropout(x, addend, y, rows, columns, ...dropout): y = addend + x * (0 or 1 / (1 - rate)); addend may be -1 (0), y may
 * be x or addend. Why fused: a residual connection reads and writes its tensors once.
 */
#include "cpu/ops/dropout.h"

#include "cpu/ops/args.h"
#include "cpu/runtime/parallel.h"

namespace reasvqa {
namespace {

void dropoutCall(Args& args) {
  const int64_t rows = args.size(3);
  const int64_t columns = args.size(4);
  const float* x = args.in<float>(0, rows * columns);
  const float* addend = args.inOrNull<float>(1, rows * columns);
  float* y = args.out<float>(2, rows * columns);
  const Dropout dropout = dropoutArgs(args, 5);
  const int64_t grain = columns == 0 ? rows : 8192 / columns + 1;
  parallelFor(rows, grain, [&](int64_t begin, int64_t end) {
    const int64_t from = begin * columns;
    const float* base = addend ? addend + from : nullptr;
    dropoutKernels().rows(x + from, base, y + from, begin, end - begin, columns, dropout);
  });
}

void registerFusedDropout(Napi::Env, Napi::Object exports) { bind<dropoutCall>(exports, "fusedDropout"); }
REASVQA_REGISTER(registerFusedDropout)

}  // namespace
}  // namespace reasvqa

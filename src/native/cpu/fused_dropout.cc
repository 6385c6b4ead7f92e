/** fusedDropout(x, y, rows, columns, ...dropout): y = x * (0 or 1 / (1 - rate)). x and y may be the same buffer. */
#include "cpu/fused_dropout.h"

#include "cpu/fused_args.h"
#include "cpu/parallel.h"

namespace reasvqa {
namespace {

void dropoutCall(Args& args) {
  const int64_t rows = args.size(2);
  const int64_t columns = args.size(3);
  const float* x = args.in<float>(0, rows * columns);
  float* y = args.out<float>(1, rows * columns);
  const Dropout dropout = dropoutArgs(args, 4);
  const int64_t grain = columns == 0 ? rows : 8192 / columns + 1;
  parallelFor(rows, grain, [&](int64_t begin, int64_t end) {
    fusedDropoutKernels().rows(x + begin * columns, y + begin * columns, begin, end - begin, columns, dropout);
  });
}

void registerFusedDropout(Napi::Env, Napi::Object exports) { bind<dropoutCall>(exports, "fusedDropout"); }
REASVQA_REGISTER(registerFusedDropout)

}  // namespace
}  // namespace reasvqa

#include "cpu/ops/dropout.h"

#include "binding.h"
#include "cpu/runtime/parallel.h"

namespace reasvqa {

Dropout dropoutOf(const DropoutKey& key) {
  Dropout d;
  d.on = key.rate > 0;
  d.scale = dropoutScale(key);
  d.threshold = key.threshold;
  d.step = key.step;
  d.call = key.call;
  uint32_t key0 = key.seed;
  uint32_t key1 = 0x5ea5;
  for (int round = 0; round < 10; ++round) {
    d.key0[round] = key0;
    d.key1[round] = key1;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return d;
}

namespace {

void dropoutRows(const DropoutCall& call) {
  const int64_t rows = call.x.rows();
  const int64_t columns = call.x.columns();
  const float* x = call.x.in<float>(rows * columns);
  const float* addend = call.addend.in<float>(rows * columns);
  float* y = call.y.out<float>(rows * columns);
  const Dropout dropout = dropoutOf(call.dropout);
  const int64_t grain = columns == 0 ? rows : 8192 / columns + 1;
  parallelFor(rows, grain, [&](int64_t begin, int64_t end) {
    const int64_t from = begin * columns;
    const float* base = addend ? addend + from : nullptr;
    dropoutKernels().rows(x + from, base, y + from, begin, end - begin, columns, dropout);
  });
}

void registerDropout(Napi::Env, Napi::Object exports) { bindCall<dropoutRows>(exports); }
REASVQA_REGISTER(registerDropout)

}  // namespace
}  // namespace reasvqa

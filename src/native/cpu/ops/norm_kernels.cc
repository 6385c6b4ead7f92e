#include "cpu/ops/norm.h"

#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

/** The sum of body(i, lanes) over a row; lanes beyond the row must be zero in what body returns. */
template <class F>
float sumOver(int64_t d, const F& body) {
  vf first = {};
  vf second = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= d; i += 2 * kLanes) {
    first += body(i, kLanes);
    second += body(i + kLanes, kLanes);
  }
  for (; i < d; i += kLanes) first += body(i, d - i < kLanes ? static_cast<int>(d - i) : kLanes);
  return horizontalSum(first + second);
}

struct Statistics {
  float mean;
  float scale;  // 1 / sqrt(variance + eps)
};

/** Sum of squared deviations; unused lanes of the last vector are forced to 0. */
template <bool Centre>
Statistics statistics(const float* x, const Norm& norm) {
  const auto d = static_cast<float>(norm.d);
  const float mean = Centre ? sumOver(norm.d, [x](int64_t i, int lanes) { return loadN(x + i, lanes); }) / d : 0.0f;
  const vf centre = splat(mean);
  const float squares = sumOver(norm.d, [x, centre](int64_t i, int lanes) {
    vf deviation = loadN(x + i, lanes);
    if (Centre) {
      deviation -= centre;
      if (lanes < kLanes) {
        vi lane;
        for (int k = 0; k < kLanes; ++k) lane[k] = k;
        deviation = select(lane < splatInt(lanes), deviation, vf{});
      }
    }
    return deviation * deviation;
  });
  return {mean, 1.0f / __builtin_sqrtf(squares / d + norm.eps)};
}

int64_t grainOf(const Norm& norm) { return norm.d == 0 ? norm.rows : 8192 / norm.d + 1; }

template <bool Centre>
void forward(const Norm& norm, const float* x, const float* weight, const float* bias, float* y) {
  parallelFor(norm.rows, grainOf(norm), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * norm.d;
      float* to = y + r * norm.d;
      const Statistics s = statistics<Centre>(row, norm);
      const vf mean = splat(s.mean);
      const vf scale = splat(s.scale);
      forVectors(0, norm.d, [&](int64_t i, int lanes) {
        vf value = loadN(row + i, lanes);
        if (Centre) value -= mean;
        value = value * scale * loadN(weight + i, lanes);
        if (Centre) value += loadN(bias + i, lanes);
        storeN(to + i, value, lanes);
      });
    }
  });
}

/** With g = dy weight and n = the normalised row: dx = scale (g - mean(g) - n mean(g n)) + addend; no mean(g) for RMSNorm. */
template <bool Centre>
void inputGradient(const Norm& norm, const float* dy, const float* x, const float* weight, const float* addend, float* dx) {
  parallelFor(norm.rows, grainOf(norm), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * norm.d;
      const float* from = dy + r * norm.d;
      float* to = dx + r * norm.d;
      const Statistics s = statistics<Centre>(row, norm);
      const vf mean = splat(s.mean);
      const vf scale = splat(s.scale);
      const auto gradient = [&](int64_t i, int lanes) { return loadN(from + i, lanes) * loadN(weight + i, lanes); };
      const auto normalised = [&](int64_t i, int lanes) {
        const vf value = loadN(row + i, lanes);
        return (Centre ? value - mean : value) * scale;
      };
      const auto d = static_cast<float>(norm.d);
      const float along = sumOver(norm.d, [&](int64_t i, int lanes) { return gradient(i, lanes) * normalised(i, lanes); });
      const vf meanAlong = splat(along / d);
      const vf meanGradient = Centre ? splat(sumOver(norm.d, gradient) / d) : vf{};
      forVectors(0, norm.d, [&](int64_t i, int lanes) {
        vf value = gradient(i, lanes);
        if (Centre) value -= meanGradient;
        value = scale * (value - normalised(i, lanes) * meanAlong);
        if (addend) value += loadN(addend + r * norm.d + i, lanes);
        storeN(to + i, value, lanes);
      });
    }
  });
}

/** Adds the chunks' sums in order. */
void addPartials(const float* partial, int64_t chunks, int64_t stride, int64_t d, float* out) {
  for (int64_t i = 0; i < d; ++i) {
    float sum = 0.0f;
    for (int64_t c = 0; c < chunks; ++c) sum += partial[c * stride + i];
    out[i] = sum;
  }
}

/** Sums over rows of dy n (and of dy), first within chunks of rows, then over the chunks. */
template <bool Centre>
void parameterGradients(const Norm& norm, const float* dy, const float* x, float* partial, float* dweight, float* dbias) {
  const int64_t d = norm.d;
  const int64_t stride = Centre ? 2 * d : d;
  parallelChunks(norm.rows, kNormChunk, [&](int64_t begin, int64_t end) {
    float* weightSum = partial + begin / kNormChunk * stride;
    float* biasSum = weightSum + d;
    for (int64_t i = 0; i < stride; ++i) weightSum[i] = 0.0f;
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * d;
      const float* from = dy + r * d;
      const Statistics s = statistics<Centre>(row, norm);
      const vf mean = splat(s.mean);
      const vf scale = splat(s.scale);
      forVectors(0, d, [&](int64_t i, int lanes) {
        const vf g = loadN(from + i, lanes);
        vf value = loadN(row + i, lanes);
        if (Centre) value -= mean;
        storeN(weightSum + i, fma(g, value * scale, loadN(weightSum + i, lanes)), lanes);
        if (Centre) storeN(biasSum + i, g + loadN(biasSum + i, lanes), lanes);
      });
    }
  });
  const int64_t chunks = ceilDiv(norm.rows, kNormChunk);
  addPartials(partial, chunks, stride, d, dweight);
  if (Centre) addPartials(partial + d, chunks, stride, d, dbias);
}

void rmsForward(const Norm& norm, const float* x, const float* weight, float* y) {
  forward<false>(norm, x, weight, nullptr, y);
}
void rmsWeight(const Norm& norm, const float* dy, const float* x, float* partial, float* dweight) {
  parameterGradients<false>(norm, dy, x, partial, dweight, nullptr);
}

}  // namespace

const NormKernels norm = {
    forward<true>, inputGradient<true>, parameterGradients<true>, rmsForward, inputGradient<false>, rmsWeight,
};

}  // namespace reasvqa::REASVQA_ISA_NS

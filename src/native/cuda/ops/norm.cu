/**
 * LayerNorm and RMSNorm over the last axis; x is (rows, d), one block a row. A row is read again for every sum over it:
 * it is in the first-level cache by then. Variance is the mean of squared deviations from the mean (two passes), so a
 * large mean costs no accuracy.
 */
#include "cuda/runtime/vector4.cuh"

struct Statistics {
  float mean;
  float scale;  // 1 / sqrt(variance + eps)
};

/** Calls body(first column, how many of its four exist) over this thread's columns of a row. */
template <class Body>
__device__ inline void forColumns(int64_t d, const Body& body) {
  for (int64_t at = 4 * threadIdx.x; at < d; at += 4 * blockDim.x) body(at, d - at);
}

/** Statistics of one row by its block; Centre: LayerNorm. */
template <bool Centre>
__device__ Statistics rowStatistics(const float* row, int64_t d, float eps) {
  const bool aligned = d % 4 == 0;
  float mean = 0.0f;
  if (Centre) {
    float sum = 0.0f;
    forColumns(d, [&](int64_t at, int64_t left) {
      float value[4];
      loadFour(row + at, left, aligned, value);
      sum += (value[0] + value[1]) + (value[2] + value[3]);
    });
    mean = blockSum(sum) / (float)d;
  }
  float squares = 0.0f;
  forColumns(d, [&](int64_t at, int64_t left) {
    float value[4];
    loadFour(row + at, left, aligned, value);
    for (int i = 0; i < 4; ++i) {
      const float deviation = i < left ? value[i] - mean : 0.0f;
      squares = fmaf(deviation, deviation, squares);
    }
  });
  return {mean, 1.0f / sqrtf(blockSum(squares) / (float)d + eps)};
}

/** inverses: the rows' scales for the backward pass, or nullptr. */
template <bool Centre, class Out>
__device__ void forward(const float* x, const float* weight, const float* bias, Out* y, float* inverses, int64_t d,
                        float eps) {
  const int64_t from = (int64_t)blockIdx.x * d;
  const bool aligned = d % 4 == 0;
  const Statistics s = rowStatistics<Centre>(x + from, d, eps);
  if (inverses && threadIdx.x == 0) inverses[blockIdx.x] = s.scale;
  forColumns(d, [&](int64_t at, int64_t left) {
    float value[4];
    float factor[4];
    float offset[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    loadFour(x + from + at, left, aligned, value);
    loadFour(weight + at, left, aligned, factor);
    if (Centre) loadFour(bias + at, left, aligned, offset);
    for (int i = 0; i < 4; ++i) {
      value[i] = (value[i] - s.mean) * s.scale * factor[i];
      if (Centre) value[i] += offset[i];
    }
    storeFour(y + from + at, left, aligned, value);
  });
}

/**
 * With g = dy weight and n = the normalised row: dx = scale (g - mean(g) - n mean(g n)) + addend; no mean(g) for RMSNorm.
 * @param normalise gives n's elements, four from where it is told, and may look at the four weights there
 */
template <bool Centre, class Normalise>
__device__ void inputGradient(const float* dy, const float* weight, float scale, const float* addend, float* dx, int64_t d,
                              const Normalise& normalise) {
  const int64_t from = (int64_t)blockIdx.x * d;
  const bool aligned = d % 4 == 0;
  float along = 0.0f;
  float sum = 0.0f;
  const auto load = [&](int64_t at, int64_t left, float(&gradient)[4], float(&normalised)[4]) {
    float factor[4];
    loadFour(dy + from + at, left, aligned, gradient);
    loadFour(weight + at, left, aligned, factor);
    normalise(from + at, left, factor, normalised);
    for (int i = 0; i < 4; ++i) gradient[i] *= factor[i];
  };
  forColumns(d, [&](int64_t at, int64_t left) {
    float gradient[4];
    float normalised[4];
    load(at, left, gradient, normalised);
    for (int i = 0; i < 4; ++i) {
      along = fmaf(gradient[i], normalised[i], along);
      if (Centre) sum += gradient[i];
    }
  });
  const float meanAlong = blockSum(along) / (float)d;
  const float meanGradient = Centre ? blockSum(sum) / (float)d : 0.0f;
  forColumns(d, [&](int64_t at, int64_t left) {
    float gradient[4];
    float normalised[4];
    load(at, left, gradient, normalised);
    float before[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (addend) loadFour(addend + from + at, left, aligned, before);
    for (int i = 0; i < 4; ++i) {
      gradient[i] = scale * (gradient[i] - meanGradient - normalised[i] * meanAlong) + before[i];
    }
    storeFour(dx + from + at, left, aligned, gradient);
  });
}

template <bool Centre>
__device__ void inputGradient(const float* dy, const float* x, const float* weight, const float* addend, float* dx,
                              int64_t d, float eps) {
  const Statistics s = rowStatistics<Centre>(x + (int64_t)blockIdx.x * d, d, eps);
  inputGradient<Centre>(dy, weight, s.scale, addend, dx, d,
                        [&](int64_t at, int64_t left, const float(&)[4], float(&normalised)[4]) {
                          loadFour(x + at, left, d % 4 == 0, normalised);
                          for (int i = 0; i < 4; ++i) normalised[i] = (normalised[i] - s.mean) * s.scale;
                        });
}

extern "C" __global__ void layerNorm(const float* x, const float* weight, const float* bias, float* y, int64_t d,
                                     float eps) {
  forward<true>(x, weight, bias, y, nullptr, d, eps);
}
extern "C" __global__ void rmsNorm(const float* x, const float* weight, float* y, float* inverses, int64_t d, float eps) {
  forward<false>(x, weight, nullptr, y, inverses, d, eps);
}
extern "C" __global__ void layerNormBf16(const float* x, const float* weight, const float* bias, unsigned short* y,
                                         int64_t d, float eps) {
  forward<true>(x, weight, bias, y, nullptr, d, eps);
}
extern "C" __global__ void rmsNormBf16(const float* x, const float* weight, unsigned short* y, float* inverses, int64_t d,
                                       float eps) {
  forward<false>(x, weight, nullptr, y, inverses, d, eps);
}
extern "C" __global__ void layerNormInput(const float* dy, const float* x, const float* weight, const float* addend,
                                          float* dx, int64_t d, float eps) {
  inputGradient<true>(dy, x, weight, addend, dx, d, eps);
}
extern "C" __global__ void rmsNormInput(const float* dy, const float* x, const float* weight, const float* addend,
                                        float* dx, int64_t d, float eps) {
  inputGradient<false>(dy, x, weight, addend, dx, d, eps);
}
/** y: what rmsNormBf16 gave; inverses: from there too. No weight is 0. */
extern "C" __global__ void rmsNormFromResult(const float* dy, const unsigned short* y, const float* weight,
                                             const float* inverses, const float* addend, float* dx, int64_t d) {
  inputGradient<false>(dy, weight, inverses[blockIdx.x], addend, dx, d,
                       [&](int64_t at, int64_t left, const float(&factor)[4], float(&normalised)[4]) {
                         loadFour(y + at, left, d % 4 == 0, normalised);
                         for (int i = 0; i < 4; ++i) normalised[i] = i < left ? normalised[i] / factor[i] : 0.0f;
                       });
}

/** statistics (rows, 2): mean (0 for RMSNorm) and scale of every row. centre: LayerNorm. */
extern "C" __global__ void normStatistics(const float* x, float* statistics, int64_t d, float eps, int32_t centre) {
  const float* row = x + (int64_t)blockIdx.x * d;
  const Statistics s = centre ? rowStatistics<true>(row, d, eps) : rowStatistics<false>(row, d, eps);
  if (threadIdx.x != 0) return;
  statistics[2 * (int64_t)blockIdx.x] = s.mean;
  statistics[2 * (int64_t)blockIdx.x + 1] = s.scale;
}

/**
 * First stage of the parameter gradients: block (x, y) sums dy n (and dy) over rows [y chunk, (y + 1) chunk) for its
 * columns, one a thread. partial (chunks, d); biasPartial alike, nullptr for RMSNorm.
 */
extern "C" __global__ void normPartials(const float* dy, const float* x, const float* statistics, float* partial,
                                        float* biasPartial, int64_t rows, int64_t d, int64_t chunk) {
  const int64_t column = globalThread();
  if (column >= d) return;
  const int64_t begin = (int64_t)blockIdx.y * chunk;
  const int64_t end = begin + chunk < rows ? begin + chunk : rows;
  float weightSum = 0.0f;
  float biasSum = 0.0f;
  for (int64_t row = begin; row < end; ++row) {
    const float gradient = dy[row * d + column];
    const float normalised = (x[row * d + column] - statistics[2 * row]) * statistics[2 * row + 1];
    weightSum = fmaf(gradient, normalised, weightSum);
    biasSum += gradient;
  }
  partial[(int64_t)blockIdx.y * d + column] = weightSum;
  if (biasPartial) biasPartial[(int64_t)blockIdx.y * d + column] = biasSum;
}

/** Second stage: out[c] = sum over the chunks of partial[chunk][c], in their order. */
extern "C" __global__ void sumPartials(const float* partial, float* out, int64_t chunks, int64_t d) {
  for (int64_t column = globalThread(); column < d; column += globalThreads()) {
    float sum = 0.0f;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partial[chunk * d + column];
    out[column] = sum;
  }
}

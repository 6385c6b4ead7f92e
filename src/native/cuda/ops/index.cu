/** Rows by index: gather, its gradient (segment sum), one-hot rows, and draws from rows of probabilities. */
#include "cpu/ops/index_args.h"
#include "cuda/runtime/fault_args.h"
#include "cuda/runtime/rows.cuh"
#include "cuda/runtime/strided.cuh"

/** Tells the host of an index outside its range: Fault::gatherIndex of fault.h. Any of several will do. */
__device__ inline void reportIndex(int64_t* fault, int32_t index, int64_t dim) {
  if (fault[0] != 0) return;
  fault[2] = index;
  fault[3] = dim;
  fault[0] = (int64_t)Fault::gatherIndex;
}

/** An index outside [0, dim) gives zeros and is reported. */
template <class T>
__device__ void gatherRows(const Gather& s, int32_t width, const T* x, const int32_t* indices, T* out, int64_t* fault) {
  forRows(s.batch * s.outer * s.count, width, [=](int64_t row, int lane) {
    const int64_t block = row / s.count;  // (batch, outer)
    const int32_t index = indices[block / s.outer * s.count + row % s.count];
    const bool inside = index >= 0 && index < s.dim;
    if (!inside && lane == 0) reportIndex(fault, index, s.dim);
    const T* from = x + (block * s.dim + index) * s.slice;
    for (int64_t i = lane; i < s.slice; i += width) out[row * s.slice + i] = inside ? from[i] : T{};
  });
}

extern "C" __global__ void gatherU8(Gather s, int32_t width, const uint8_t* x, const int32_t* indices, uint8_t* out,
                                    int64_t* fault) {
  gatherRows(s, width, x, indices, out, fault);
}
extern "C" __global__ void gatherU32(Gather s, int32_t width, const uint32_t* x, const int32_t* indices, uint32_t* out,
                                     int64_t* fault) {
  gatherRows(s, width, x, indices, out, fault);
}
/** Slices of a multiple of four elements, counted in fours. */
extern "C" __global__ void gatherU32InFours(Gather s, int32_t width, const Four<uint32_t>* x, const int32_t* indices,
                                            Four<uint32_t>* out, int64_t* fault) {
  gatherRows(s, width, x, indices, out, fault);
}

/**
 * out (segments, inner) = sums of the rows of x (rows, inner) by id; ids outside [0, segments) are dropped. A warp takes 128
 * columns of a segment and reads all ids, so a sum runs in the order of the rows: no atomics, the same bits in every run.
 */
template <class T>
__device__ void segmentSums(const T* x, const int32_t* ids, T* out, int64_t rows, int64_t inner, int64_t segments) {
  const int lane = threadIdx.x & 31;
  const int64_t strips = (inner + 127) / 128;
  for (int64_t item = globalThread() / 32; item < segments * strips; item += globalThreads() / 32) {
    const int64_t segment = item / strips;
    const int64_t column = item % strips * 128 + lane;
    T sums[4] = {0, 0, 0, 0};
    for (int64_t tile = 0; tile < rows; tile += 32) {
      const bool own = tile + lane < rows && ids[tile + lane] == segment;
      unsigned int members = __ballot_sync(FULL_WARP, own);
      while (members != 0) {
        const T* row = x + (tile + __ffs((int)members) - 1) * inner;
        for (int k = 0; k < 4; ++k) {
          if (column + 32 * k < inner) sums[k] += row[column + 32 * k];
        }
        members &= members - 1;
      }
    }
    for (int k = 0; k < 4; ++k) {
      if (column + 32 * k < inner) out[segment * inner + column + 32 * k] = sums[k];
    }
  }
}

extern "C" __global__ void segmentSumF32(const float* x, const int32_t* ids, float* out, int64_t rows, int64_t inner,
                                         int64_t segments) {
  segmentSums(x, ids, out, rows, inner, segments);
}
extern "C" __global__ void segmentSumI32(const uint32_t* x, const int32_t* ids, uint32_t* out, int64_t rows, int64_t inner,
                                         int64_t segments) {
  segmentSums(x, ids, out, rows, inner, segments);
}

/** out (n, depth): `on` at each index, `off` elsewhere, as bits. */
extern "C" __global__ void oneHot(const int32_t* indices, uint32_t* out, int64_t n, int64_t depth, uint32_t on, uint32_t off,
                                  int32_t width) {
  forRows(n, width, [=](int64_t row, int lane) {
    const int64_t index = indices[row];
    for (int64_t i = lane; i < depth; i += width) out[row * depth + i] = i == index ? on : off;
  });
}

/**
 * out (rows, samples): the first outcome whose cumulative probability exceeds the uniform draw, else the last. A block of
 * 256 threads a draw: each adds up its own stretch of outcomes in double, then looks for the draw in it.
 */
extern "C" __global__ void draw(const float* probabilities, const float* uniform, int32_t* out, int64_t rows, int64_t outcomes,
                                int64_t samples) {
  __shared__ double totals[256];
  __shared__ int64_t found[256];
  const int t = threadIdx.x;
  const int64_t stretch = (outcomes + 255) / 256;
  const int64_t begin = t * stretch < outcomes ? t * stretch : outcomes;
  const int64_t end = begin + stretch < outcomes ? begin + stretch : outcomes;
  for (int64_t item = blockIdx.x; item < rows * samples; item += gridDim.x) {
    const float* row = probabilities + item / samples * outcomes;
    double total = 0;
    for (int64_t i = begin; i < end; ++i) total += (double)row[i];
    totals[t] = total;
    __syncthreads();
    double cumulative = 0;
    for (int before = 0; before < t; ++before) cumulative += totals[before];
    // What rounding leaves below 1 belongs to the last outcome.
    found[t] = outcomes - 1;
    for (int64_t i = begin; i < end; ++i) {
      cumulative += (double)row[i];
      if ((double)uniform[item] < cumulative) {
        found[t] = i;
        break;
      }
    }
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
      if (t < half && found[t + half] < found[t]) found[t] = found[t + half];
      __syncthreads();
    }
    if (t == 0) out[item] = (int32_t)found[0];
    __syncthreads();
  }
}

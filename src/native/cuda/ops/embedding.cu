/** Rows of a table by id, and the table's gradient. */
#include "cuda/runtime/fault_args.h"
#include "cuda/runtime/vector4.cuh"

/**
 * One block: finds the first id outside [0, rows) and writes it down for the host: record = {embeddingId, position, id, rows}
 * unless an earlier one is already there. The host reads the record when it next waits for the device (fault.h).
 */
extern "C" __global__ void checkIds(const int32_t* ids, int64_t n, int64_t rows, int64_t* record) {
  int64_t first = n;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    if ((ids[i] < 0 || ids[i] >= rows) && i < first) first = i;
  }
  first = blockReduce(first, n, MinOf());
  if (threadIdx.x != 0 || first == n || record[0] != 0) return;
  record[1] = first;
  record[2] = ids[first];
  record[3] = rows;
  record[0] = (int64_t)Fault::embeddingId;
}

/** y[i] = table[ids[i]], four columns a thread; NaN for an id outside the table (checkIds has reported it). */
template <class Element>
__device__ void gatherRows(const Element* table, const int32_t* ids, float* y, int64_t n, int64_t rows, int64_t d) {
  const int64_t perRow = (d + 3) / 4;
  const bool aligned = d % 4 == 0;
  for (int64_t unit = globalThread(); unit < n * perRow; unit += globalThreads()) {
    const int64_t i = unit / perRow;
    const int64_t at = 4 * (unit - i * perRow);
    const int64_t id = ids[i];
    float value[4] = {NAN, NAN, NAN, NAN};
    if (id >= 0 && id < rows) loadFour(table + id * d + at, d - at, aligned, value);
    storeFour(y + i * d + at, d - at, aligned, value);
  }
}

extern "C" __global__ void gatherRowsF32(const float* table, const int32_t* ids, float* y, int64_t n, int64_t rows,
                                         int64_t d) {
  gatherRows(table, ids, y, n, rows, d);
}
extern "C" __global__ void gatherRowsBf16(const unsigned short* table, const int32_t* ids, float* y, int64_t n,
                                          int64_t rows, int64_t d) {
  gatherRows(table, ids, y, n, rows, d);
}

/**
 * dtable[ids[i]] += dy[i] in the order of i, without atomics: the block of the first position of an id (blockIdx.x) adds
 * the rows of all its positions; the other blocks of that id leave. 128 threads, four columns each; blockIdx.y counts
 * groups of 512 columns. dtable was set to zero.
 */
extern "C" __global__ void scatterAddRows(const float* dy, const int32_t* ids, float* dtable, int64_t n, int64_t rows,
                                          int64_t d) {
  __shared__ int32_t same[128];
  const int64_t position = blockIdx.x;
  const int32_t id = ids[position];
  if (id < 0 || id >= rows) return;
  bool earlier = false;
  for (int64_t i = threadIdx.x; i < position; i += blockDim.x) earlier |= ids[i] == id;
  if (__syncthreads_or(earlier)) return;
  const int64_t at = 512 * (int64_t)blockIdx.y + 4 * threadIdx.x;
  const bool aligned = d % 4 == 0;
  float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int64_t begin = position; begin < n; begin += blockDim.x) {
    const int64_t mine = begin + threadIdx.x;
    const bool hit = mine < n && ids[mine] == id;
    same[threadIdx.x] = hit;
    if (!__syncthreads_or(hit)) continue;
    for (int k = 0; k < (int)blockDim.x; ++k) {
      if (!same[k] || at >= d) continue;
      float value[4];
      loadFour(dy + (begin + k) * d + at, d - at, aligned, value);
      for (int i = 0; i < 4; ++i) sum[i] += value[i];
    }
    __syncthreads();
  }
  if (at < d) storeFour(dtable + id * d + at, d - at, aligned, sum);
}

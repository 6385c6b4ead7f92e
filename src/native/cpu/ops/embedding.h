/** Rows of a table by id, and the table's gradient: a zeroed table to which only the rows that were read are added. */
#pragma once

#include "cpu/runtime/dispatch.h"

namespace reasvqa {

struct EmbeddingKernels {
  /** y[i] = table[ids[i]], rows of d floats; ids are checked by the caller. */
  void (*gather)(const float* table, const int32_t* ids, float* y, int64_t n, int64_t d);
  /** dtable[ids[i]] += dy[i] in the order of i, after zeroing dtable (rows, d). */
  void (*scatterAdd)(const float* dy, const int32_t* ids, float* dtable, int64_t n, int64_t rows, int64_t d);
};

REASVQA_KERNELS(EmbeddingKernels, embedding)

}  // namespace reasvqa

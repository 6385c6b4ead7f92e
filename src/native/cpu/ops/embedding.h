/** Rows of a table by id, and the table's gradient: a zeroed table to which only the rows that were read are added. */
#pragma once

#include "call.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

/** table (rows, d), ids (...), y (..., d). */
struct EmbeddingCall {
  Operand table, ids, y;
  REASVQA_CALL("embedding", table, ids, y)
};
struct EmbeddingGradCall {
  Operand dy, ids, dtable;
  REASVQA_CALL("embeddingGrad", dy, ids, dtable)
};

/** n ids of a table of `rows` rows, d wide. */
struct EmbeddingSizes {
  int64_t n, rows, d;
};
inline EmbeddingSizes sizesOf(const Operand& table, const Operand& ids) {
  return {ids.elements(), table.axis(0, 2), table.axis(1, 2)};
}

struct EmbeddingKernels {
  /** y[i] = table[ids[i]], rows of d floats; ids are checked by the caller. */
  void (*gather)(const float* table, const int32_t* ids, float* y, int64_t n, int64_t d);
  /** dtable[ids[i]] += dy[i] in the order of i, after zeroing dtable (rows, d). */
  void (*scatterAdd)(const float* dy, const int32_t* ids, float* dtable, int64_t n, int64_t rows, int64_t d);
};

REASVQA_KERNELS(EmbeddingKernels, embedding)

}  // namespace reasvqa

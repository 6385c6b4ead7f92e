/** What the launcher of strided copies gives its kernels. */
#pragma once

namespace reasvqa::cuda {

/** A plane of a permutation: element (i, j) is at i * fromRow + j in the source and at i + j * toColumn in the target. */
struct Transposed {
  int64_t rows, columns, fromRow, toColumn;
  uint32_t tilesOfRows, tilesOfColumns;
};

}  // namespace reasvqa::cuda

/** What the launcher of products in f16 gives its kernels. */
#pragma once

namespace reasvqa::cuda {

/** x (rows, columns), rows `leading` apart; y dense, f16. */
struct HalfOperand {
  const float* x;
  uint16_t* y;
  int64_t rows;
  int64_t columns;
  int64_t leading;
};

}  // namespace reasvqa::cuda

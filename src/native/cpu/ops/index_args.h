/** The sizes of a gather, for both devices and the kernels' texts. */
#pragma once

namespace reasvqa {

/** x is (batch, outer, dim, slice), indices (batch, count), out (batch, outer, count, slice). */
struct Gather {
  int64_t batch, outer, dim, slice, count;
};

}  // namespace reasvqa

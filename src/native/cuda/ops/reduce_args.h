/** The sizes of a reduction that is cut into chunks. */
#pragma once

namespace reasvqa::cuda {

/** (outer, reduced, inner); the middle is cut into `chunks` of `chunk` elements. */
struct Chunked {
  int64_t outer, reduced, inner, chunk, chunks;
};

}  // namespace reasvqa::cuda

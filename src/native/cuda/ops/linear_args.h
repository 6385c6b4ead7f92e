/** What the launcher of the thin products gives its kernels. */
#pragma once

namespace reasvqa::cuda {

constexpr int kRank = 8;      // columns of the update that a thread holds in registers; larger r takes more blocks
constexpr int kWarpRows = 4;  // rows of a warp in thinDown

/** What the first stage left, and where its sum belongs: element (j, c) at c strideC + j strideJ of out. */
struct Partial {
  const float* partial;
  float* out;
  int64_t chunks, width, strideC, strideJ;
  float alpha;
};

}  // namespace reasvqa::cuda

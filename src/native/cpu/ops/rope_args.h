/** A call of rotary positions, for both devices and the kernel's text. */
#pragma once

namespace reasvqa {

struct Rope {
  int64_t rows;    // B L
  int64_t length;  // L
  int64_t heads;
  int64_t half;  // D / 2
  float sign;    // -1: by the opposite angles
  const float* cos;
  const float* sin;
};

}  // namespace reasvqa

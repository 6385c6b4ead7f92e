/** The label of rows that are left out, for both devices and the kernels' texts; see src/labels.ts. */
#pragma once

namespace reasvqa {

constexpr int32_t kIgnored = -100;

}  // namespace reasvqa

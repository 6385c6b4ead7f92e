/**
 * Indices outside their range, found by kernels. The host does not look at indices, since that would wait for the device;
 * a kernel leaves the fault in pinned memory that both see, and the next wait throws it.
 */
#pragma once

#include <cstdint>

namespace reasvqa::cuda {

/** IndexFault of index_fault.cuh. */
struct IndexFault {
  int32_t found = 0;
  int32_t value = 0;
  int64_t limit = 0;
};

/** The record for kernels, of the operation that the message will name. Lives as long as the process. */
IndexFault* indexFault(const char* operation);

/** After a wait: throws std::invalid_argument for a fault since the last call, and forgets it. */
void throwIndexFault();

}  // namespace reasvqa::cuda

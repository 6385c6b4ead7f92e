/**
 * Copies in the order of the compute stream: all are behind what was queued before them and before what follows.
 */
#pragma once

#include <cstddef>

namespace reasvqa::cuda {

/** Device to device. The ranges must not overlap. */
void copyAsync(void* to, const void* from, size_t bytes);

/** Sets bytes to zero. */
void fillZero(void* device, size_t bytes);

/** Host to device through pinned staging memory; the host's bytes may change as soon as this returns. */
void upload(void* device, const void* host, size_t bytes);

/** Device to host; waits for everything queued so far. */
void download(void* host, const void* device, size_t bytes);

/**
 * Waits for everything queued so far; a fault of an earlier kernel appears here as CudaError, bad input that a kernel found
 * as std::invalid_argument (fault.h).
 */
void synchronize();

}  // namespace reasvqa::cuda

/**
 * Scratch memory of the calling thread for packed operands: grows to the largest request and is kept, so that the
 * inner products of a step do not allocate. Two calls with different slots may be in use at once.
 */
#pragma once

#include <stdint.h>

namespace reasvqa {

enum class WorkspaceSlot { packedA = 0, packedB, image, fused, count };

/**
 * 64-byte aligned room for `floats` floats, valid until the slot's next call on this thread. Throws std::bad_alloc (on a
 * worker thread that ends the process: a product of which half is missing must not be used).
 */
float* workspace(WorkspaceSlot slot, int64_t floats);

}  // namespace reasvqa

/** What kernels report to the host (fault.h). */
#pragma once

namespace reasvqa::cuda {

/**
 * The first number of the record; up to three numbers about it follow (embeddingId: position, id, rows of the table;
 * gatherIndex: unused, index, size of the dimension).
 */
enum class Fault : int64_t { none = 0, embeddingId = 1, gatherIndex = 2 };

}  // namespace reasvqa::cuda

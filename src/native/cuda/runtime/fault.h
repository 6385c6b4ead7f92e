/**
 * Bad input that only a kernel can see, such as an id outside a table: the kernel writes what it found to a record in host
 * memory, and the next wait for the device throws it. Looking at the ids on the host before the launch would stall the step.
 */
#pragma once

#include <cstdint>

namespace reasvqa::cuda {

/** What kernels report; the first number of the record. */
enum class Fault : int64_t { none = 0, embeddingId = 1, gatherIndex = 2 };

/**
 * The record, readable and writable by kernels: fault, then up to three numbers about it (embeddingId: position, id, rows
 * of the table; gatherIndex: unused, index, size of the dimension). A kernel leaves a record alone that is taken.
 */
int64_t* faultRecord();

/** Throws std::invalid_argument with what was reported since the last call; for use after a wait for the device. */
void throwReportedFault();

}  // namespace reasvqa::cuda

/**
 * Bad input that only a kernel can see, such as an id outside a table: the kernel writes what it found to a record in host
 * memory, and the next wait for the device throws it. Looking at the ids on the host before the launch would stall the step.
 */
#pragma once

#include <cstdint>

#include "cuda/runtime/fault_args.h"

namespace reasvqa::cuda {

/** The record, readable and writable by kernels, which leave one alone that is taken: a Fault and three numbers. */
int64_t* faultRecord();

/** Throws std::invalid_argument with what was reported since the last call; for use after a wait for the device. */
void throwReportedFault();

}  // namespace reasvqa::cuda

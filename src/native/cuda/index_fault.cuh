/** Telling the host of an index outside its range; see index_fault.h. The kernel goes on without touching what it names. */
#pragma once

struct IndexFault {
  int32_t found, value;
  int64_t limit;
};

/** Which of several faults is told does not matter: the writers agree on the limit. */
__device__ inline void reportIndex(IndexFault* fault, int32_t value, int64_t limit) {
  fault->value = value;
  fault->limit = limit;
  fault->found = 1;
}

#include "cuda/runtime/fault.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "cuda/runtime/device.h"

namespace reasvqa::cuda {
namespace {

constexpr size_t kNumbers = 4;
constexpr unsigned kMappedToDevice = 2;  // CU_MEMHOSTALLOC_DEVICEMAP

// Kept until the process ends, as the device is. Kernels write to it: volatile on this side.
volatile int64_t* record = nullptr;

std::string text(Fault fault, int64_t first, int64_t second, int64_t third) {
  if (fault == Fault::embeddingId) {
    return "embedding: id " + std::to_string(second) + " at position " + std::to_string(first) + "; expected 0 to " +
           std::to_string(third - 1) + " (rows of the table)";
  }
  if (fault == Fault::gatherIndex) {
    return "GatherV2: the index value " + std::to_string(second) + " is not in [0, " + std::to_string(third - 1) + "]";
  }
  return "a kernel reported fault " + std::to_string(static_cast<int64_t>(fault)) + ", which this build does not know";
}

}  // namespace

int64_t* faultRecord() {
  if (record == nullptr) {
    void* memory = nullptr;
    Device& gpu = device();
    gpu.check(gpu.driver().hostAllocate(&memory, kNumbers * sizeof(int64_t), kMappedToDevice), "cuMemHostAlloc");
    std::fill_n(static_cast<int64_t*>(memory), kNumbers, 0);
    record = static_cast<int64_t*>(memory);
  }
  return const_cast<int64_t*>(record);
}

void throwReportedFault() {
  if (record == nullptr || record[0] == 0) return;
  const std::string message = text(static_cast<Fault>(record[0]), record[1], record[2], record[3]);
  record[0] = 0;
  throw std::invalid_argument(message);
}

}  // namespace reasvqa::cuda

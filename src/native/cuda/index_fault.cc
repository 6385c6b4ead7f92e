#include "cuda/index_fault.h"

#include <map>
#include <stdexcept>
#include <string>

#include "cuda/device.h"

namespace reasvqa::cuda {
namespace {

std::map<std::string, IndexFault*>& faults() {
  static std::map<std::string, IndexFault*> records;
  return records;
}

}  // namespace

IndexFault* indexFault(const char* operation) {
  IndexFault*& record = faults()[operation];
  if (record == nullptr) {
    void* memory = nullptr;
    Device& gpu = device();
    gpu.check(gpu.driver().hostAllocate(&memory, sizeof(IndexFault), 0), "cuMemHostAlloc");
    record = new (memory) IndexFault;
  }
  return record;
}

void throwIndexFault() {
  for (auto& [operation, record] : faults()) {
    if (record == nullptr || record->found == 0) continue;
    const IndexFault fault = *record;
    *record = {};
    throw std::invalid_argument(operation + ": the index value " + std::to_string(fault.value) + " is not in [0, " +
                                std::to_string(fault.limit - 1) + "]");
  }
}

}  // namespace reasvqa::cuda

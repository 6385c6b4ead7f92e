#include "cpu/runtime/workspace.h"

#include <cstdlib>
#include <memory>
#include <new>

namespace reasvqa {
namespace {

struct FreeMemory {
  void operator()(float* memory) const { std::free(memory); }
};
struct Area {
  std::unique_ptr<float, FreeMemory> memory;
  int64_t floats = 0;
};

thread_local Area areas[static_cast<int>(WorkspaceSlot::count)];

}  // namespace

float* workspace(WorkspaceSlot slot, int64_t floats) {
  Area& area = areas[static_cast<int>(slot)];
  if (area.floats < floats) {
    area.floats = 0;
    area.memory.reset();
    const int64_t rounded = (floats + 1023) / 1024 * 1024;
    area.memory.reset(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(rounded) * sizeof(float))));
    if (!area.memory) throw std::bad_alloc();
    area.floats = rounded;
  }
  return area.memory.get();
}

}  // namespace reasvqa

#include "cuda/runtime/launch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "cuda/runtime/device.h"
#include "cuda/runtime/fault.h"

namespace reasvqa::cuda {
namespace {

constexpr uint32_t kThreadsPerMultiprocessor = 2048;

std::string text(Grid grid) {
  return "(" + std::to_string(grid.x) + ", " + std::to_string(grid.y) + ", " + std::to_string(grid.z) + ")";
}

LaunchRecord recordOf(const char* source, const char* kernel, Grid grid, Grid block, uint32_t sharedBytes,
                      void* const* arguments, const size_t* sizes, size_t count) {
  LaunchRecord record;
  record.source = source;
  record.kernel = kernel;
  record.grid = grid;
  record.block = block;
  record.sharedBytes = sharedBytes;
  record.count = count;
  for (size_t i = 0; i < std::min(count, LaunchRecord::kArguments); ++i) {
    record.sizes[i] = sizes[i];
    if (sizes[i] <= sizeof(uint64_t)) std::memcpy(&record.values[i], arguments[i], sizes[i]);
  }
  return record;
}

bool synchronous() {
  static const bool on = [] {
    const char* value = std::getenv("REASVQA_CUDA_SYNC");
    return value != nullptr && std::strcmp(value, "1") == 0;
  }();
  return on;
}

/** Compares number and sizes of the arguments with the compiled kernel's, once a kernel. */
void checkArguments(Device& gpu, Kernel& kernel, const char* name, const size_t* sizes, size_t count) {
  if (kernel.checked || gpu.driver().functionParameter == nullptr) return;
  for (size_t i = 0;; ++i) {
    size_t offset = 0;
    size_t size = 0;
    const bool exists = gpu.driver().functionParameter(kernel.function, i, &offset, &size) == kSuccess;
    if (!exists && i == count) break;
    if (!exists || i == count || size != sizes[i]) {
      throw CudaError(std::string("kernel ") + name + " launched with wrong arguments: " + std::to_string(count) +
                      " given; parameter " + std::to_string(i) +
                      (exists ? " has " + std::to_string(size) + " bytes" : " does not exist") +
                      (exists && i < count ? ", the argument " + std::to_string(sizes[i]) : ""));
    }
  }
  kernel.checked = true;
}

}  // namespace

std::string LaunchRecord::text() const {
  std::string result = std::string(kernel) + " of " + source + ".cu, grid " + cuda::text(grid) + ", block " +
                       cuda::text(block) + ", shared " + std::to_string(sharedBytes) + " bytes, arguments [";
  for (size_t i = 0; i < std::min(count, kArguments); ++i) {
    // Integers and pointers of 4 and 8 bytes read well, and shapes are among them.
    const bool number = sizes[i] == sizeof(int32_t) || sizes[i] == sizeof(int64_t);
    const auto value = sizes[i] == sizeof(int32_t) ? static_cast<int64_t>(static_cast<int32_t>(values[i]))
                                                   : static_cast<int64_t>(values[i]);
    result += (i == 0 ? "" : ", ") + (number ? std::to_string(value) : std::to_string(sizes[i]) + " bytes");
  }
  return result + (count > kArguments ? ", ...]" : "]");
}

void launchKernel(const char* source, const char* name, Grid grid, Grid block, uint32_t sharedBytes,
                  void* const* arguments, const size_t* sizes, size_t count) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  Device& gpu = device();
  Kernel& kernel = gpu.kernel(source, name);
  checkArguments(gpu, kernel, name, sizes, count);
  const LaunchRecord launch = recordOf(source, kernel.name, grid, block, sharedBytes, arguments, sizes, count);
  if (sharedBytes > kernel.dynamicShared) {
    gpu.check(gpu.driver().functionSetAttribute(kernel.function, kFunctionMaxDynamicShared, static_cast<int>(sharedBytes)),
              ("cuFuncSetAttribute for " + launch.text()).c_str());
    kernel.dynamicShared = sharedBytes;
  }
  const CUresult code =
      gpu.driver().launchKernel(kernel.function, grid.x, grid.y, grid.z, block.x, block.y, block.z, sharedBytes,
                                gpu.stream(), const_cast<void**>(arguments), nullptr);
  if (code != kSuccess) gpu.check(code, ("cuLaunchKernel of " + launch.text()).c_str());
  if (synchronous()) {
    gpu.check(gpu.driver().streamSynchronize(gpu.stream()), ("the kernel " + launch.text()).c_str());
    throwReportedFault();
  } else {
    gpu.remember(launch);
  }
}

uint32_t blocks(int64_t count, int64_t most) {
  if (count < 0 || count > most) throw std::invalid_argument("a tensor has too many rows for one kernel launch");
  return static_cast<uint32_t>(count);
}

Grid gridFor(int64_t n, uint32_t block) {
  if (n <= 0) return {0, 1, 1};
  const int64_t enough = int64_t{device().properties().multiprocessors} * std::max<uint32_t>(1, kThreadsPerMultiprocessor / block);
  return {static_cast<uint32_t>(std::min(ceilDiv(n, block), enough)), 1, 1};
}

uint32_t maxSharedBytes() { return device().properties().maxSharedBytes; }

}  // namespace reasvqa::cuda

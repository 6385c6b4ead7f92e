/**
 * Launching kernels on the compute stream. A kernel is named by its source (`<source>.cu`, embedded in the addon) and its
 * function; both are compiled and loaded at the first launch. Launches return at once; what a kernel writes is there for
 * every later launch, copy and read, because all of them are in one stream.
 *
 *   launch("softmax", "softmaxRows", {rows}, {256}, 0, x, y, length);
 *
 * Arguments go by value and must have exactly the types of the kernel's parameters (int64_t for int64_t, not int): their
 * sizes are compared with the compiled kernel's when the driver can tell them (CUDA 12.4).
 */
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace reasvqa::cuda {

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Grid {
  uint32_t x = 1;
  uint32_t y = 1;
  uint32_t z = 1;
};

/** What a launch was, kept as numbers: writing it out would cost more than launching. */
struct LaunchRecord {
  static constexpr size_t kArguments = 24;
  const char* source = nullptr;
  const char* kernel = nullptr;  // the device's copy: a launch's own name may be gone by the time it is written out
  Grid grid;
  Grid block;
  uint32_t sharedBytes = 0;
  size_t count = 0;
  std::array<size_t, kArguments> sizes{};     // in bytes
  std::array<uint64_t, kArguments> values{};  // of arguments of up to 8 bytes

  /** For errors: kernel, grid, block, shared bytes, arguments (shapes and pointers among them). */
  std::string text() const;
};

/** The form behind `launch`: `arguments[i]` points to an argument of `sizes[i]` bytes. */
void launchKernel(const char* source, const char* kernel, Grid grid, Grid block, uint32_t sharedBytes,
                  void* const* arguments, const size_t* sizes, size_t count);

/**
 * Launches `kernel` of `<source>.cu` on the compute stream; device pointers as pointers. A grid with a zero does nothing.
 * Throws CudaError, which names kernel, grid, block and shared bytes.
 */
template <class... Arguments>
void launch(const char* source, const char* kernel, Grid grid, Grid block, uint32_t sharedBytes,
            Arguments... arguments) {
  static_assert((std::is_trivially_copyable_v<Arguments> && ...), "kernel arguments are copied as bytes");
  void* pointers[] = {const_cast<void*>(static_cast<const void*>(&arguments))..., nullptr};
  const size_t sizes[] = {sizeof(Arguments)..., 0};
  launchKernel(source, kernel, grid, block, sharedBytes, pointers, sizes, sizeof...(Arguments));
}

/** The largest y and z of a grid. */
constexpr int64_t kMostBlocksYZ = 65535;

/** A count as one axis of a grid; std::invalid_argument when it is more than a grid has. */
uint32_t blocks(int64_t count, int64_t most = INT32_MAX);

/** Blocks of `block` threads for n items; enough to fill the device, so kernels stride by the grid. 0 for n = 0. */
Grid gridFor(int64_t n, uint32_t block = 256);

/** Shared bytes a block may ask for on this device (48 KiB without more ado, up to 227 KiB on an H100). */
uint32_t maxSharedBytes();

}  // namespace reasvqa::cuda

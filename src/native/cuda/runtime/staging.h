/**
 * Uploads that do not wait for the kernels before them. Host bytes go to a pinned chunk, from there to one of device
 * memory on a copy stream, while the compute stream is still at work; the compute stream then waits for them and moves them
 * to where they belong (at a hundred times the speed of the bus). So a buffer needs no care of its own: everything that
 * reads, writes or reuses it is in the compute stream. A ring of chunks is filled one after the other; a chunk is filled
 * again when the compute stream is through with it. A small copy, or one when the GPU has no room for the chunk, goes
 * through the compute stream alone.
 */
#pragma once

#include <array>
#include <cstddef>

#include "cuda/runtime/driver.h"
#include "cuda/runtime/memory.h"

namespace reasvqa::cuda {

class Staging {
 public:
  Staging(Driver& driver, Memory& memory, CUstream compute);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /** Enqueues a copy of host bytes, which may change as soon as this returns. */
  void upload(CUdeviceptr to, const void* from, size_t bytes);

 private:
  struct Chunk {
    std::byte* pinned = nullptr;
    CUdeviceptr memory = 0;  // 0 until a piece goes over the copy stream
    CUevent arrived = nullptr;
    CUevent consumed = nullptr;
  };
  void next();
  void copy(Chunk& chunk, CUdeviceptr to, size_t bytes);

  Driver& driver_;
  Memory& memory_;
  CUstream compute_;
  CUstream copies_ = nullptr;
  std::array<Chunk, 4> chunks_;
  size_t current_ = 0;
  size_t used_ = 0;
};

}  // namespace reasvqa::cuda

/**
 * Uploads through pinned memory: the driver copies from it while the processor goes on, at twice the speed of ordinary
 * memory. A ring of chunks is filled one after the other; a chunk is filled again when its copies are done.
 */
#pragma once

#include <array>
#include <cstddef>

#include "cuda/driver.h"

namespace reasvqa::cuda {

class Staging {
 public:
  Staging(Driver& driver, CUstream stream);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /** Enqueues a copy of host bytes, which may change as soon as this returns. */
  void upload(CUdeviceptr to, const void* from, size_t bytes);

 private:
  struct Chunk {
    std::byte* memory = nullptr;
    CUevent copied = nullptr;
  };
  void next();

  Driver& driver_;
  CUstream stream_;
  std::array<Chunk, 4> chunks_;
  size_t current_ = 0;
  size_t used_ = 0;
};

}  // namespace reasvqa::cuda

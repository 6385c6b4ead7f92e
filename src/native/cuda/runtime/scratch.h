/**
 * Device memory for a launcher's own use, from the caching allocator. It may be given back while kernels that use it are
 * still queued: whoever gets it next is queued behind them in the same stream.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace reasvqa::cuda {

/** Bytes of n floats. */
inline size_t floats(int64_t n) { return static_cast<size_t>(n) * sizeof(float); }

class Scratch {
 public:
  /** Throws OutOfMemory. 0 bytes is allowed. */
  explicit Scratch(size_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <class T = float>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  int id_;
  void* data_;
};

}  // namespace reasvqa::cuda

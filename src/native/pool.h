/**
 * Memory of the CPU device: a caching pool of 64-byte aligned buffers, named by integer ids.
 *
 * Why: a training step frees and takes the same few hundred sizes again and again; returning them to the system each
 * time costs page faults (0.25 us a 4-KiB page) that would dominate the step. Freed blocks are kept and handed out
 * again for a request of up to 1.5 times less: batches of other lengths want other sizes. (At 1.25, an epoch of the shapes
 * world took 30 s instead of 25, seven of them in the system, and more memory.) What is kept is bounded: in use + cached
 * stays under 1.1 x the peak in use + 64 MiB, so resident memory does not creep.
 *
 * An id carries a generation, so that an id used after release() is an error and never somebody else's data.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "error.h"
#include "regions.h"

namespace reasvqa {

using BufferId = int32_t;

struct PoolStats {
  size_t inUse = 0;      // bytes of live buffers, rounded up to their blocks
  size_t cached = 0;     // bytes kept for reuse
  size_t peak = 0;       // highest in use so far
  size_t buffers = 0;    // live buffers
  size_t systemCalls = 0;  // blocks taken from the system so far
};

class OutOfMemory : public DeviceError {
  using DeviceError::DeviceError;
};

/** Where a device keeps its buffers by id. */
class BufferTable {
 public:
  /** Start of the buffer; std::invalid_argument when the id is not live or holds fewer than `bytes` bytes. */
  virtual void* data(BufferId id, size_t bytes) const = 0;

 protected:
  ~BufferTable() = default;
};

struct FreeBlock {
  Regions* regions = nullptr;  // where the block was cut from; null: an allocation of its own
  size_t capacity = 0;
  void operator()(std::byte* block) const;
};

class Pool final : public BufferTable {
 public:
  /** The one pool of the process. */
  static Pool& instance();

  /** A buffer of at least `bytes` bytes, contents undefined; `bf16` says what it will hold. Throws OutOfMemory. */
  BufferId allocate(size_t bytes, bool bf16 = false);
  /** Gives a buffer back. An id that is not live is ignored when `ignoreUnknown`, else std::invalid_argument. */
  void release(BufferId id, bool ignoreUnknown = false);
  void* data(BufferId id, size_t bytes) const override;
  /** The size it was asked for. */
  size_t bytes(BufferId id) const;
  /** Whether it holds bf16 (cpu/runtime/bf16.h). */
  bool isBf16(BufferId id) const;

  PoolStats stats() const;
  void resetPeak();
  /** Returns every cached block to the system. */
  void trim();
  /** Releases every live buffer (the backend was disposed) and trims. */
  void clear();

 private:
  using Block = std::unique_ptr<std::byte, FreeBlock>;
  struct Slot {
    Block block;
    size_t capacity = 0;
    size_t bytes = 0;
    uint32_t generation = 0;
    bool live = false;
    bool bf16 = false;
  };

  Block takeCached(size_t wanted, size_t& capacity);
  Block takeFromSystem(size_t capacity);
  Block newBlock(size_t capacity);
  void evictUntil(size_t cachedLimit);
  const Slot& slot(BufferId id) const;
  void releaseSlot(size_t index);

  mutable std::mutex mutex_;
  Regions regions_;  // before what holds blocks, so that it outlives them
  std::vector<Slot> slots_;
  std::vector<uint32_t> freeSlots_;
  std::multimap<size_t, Block> large_;              // cached blocks above kSmallLimit by capacity
  std::vector<std::vector<Block>> small_;           // cached blocks up to kSmallLimit by capacity / 64
  PoolStats stats_;
};

/** Pool memory for native scratch space, released at the end of the scope. */
class Scratch {
 public:
  explicit Scratch(size_t bytes) : id_(Pool::instance().allocate(bytes)), data_(Pool::instance().data(id_, bytes)) {}
  ~Scratch() { Pool::instance().release(id_, true); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T = float>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  BufferId id_;
  void* data_;
};

}  // namespace reasvqa

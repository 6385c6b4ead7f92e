/**
 * Device memory: a caching allocator over cuMemAlloc, and the buffers that JavaScript names by id.
 *
 * cuMemAlloc and cuMemFree wait for the device and take tens of microseconds, so memory is taken in segments (2 MiB for
 * requests up to 1 MiB, 20 MiB for those up to 10 MiB, above that the request itself in steps of 2 MiB), cut into blocks,
 * best fit first, and joined again when neighbours are free; the scheme is that of PyTorch's caching allocator. All work
 * is in one stream, so a block may be given out again while kernels that use it are still queued.
 *
 * REASVQA_CUDA_NO_CACHE=1 takes every buffer from the driver at its exact size and gives it back at once, so that
 * compute-sanitizer (and the tests' shim) see accesses outside of a buffer.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cuda/runtime/blas.h"
#include "cuda/runtime/driver.h"
#include "pool.h"

namespace reasvqa::cuda {

struct MemoryStats {
  size_t inUse = 0;        // bytes of live buffers, rounded up to their blocks
  size_t cached = 0;       // bytes of segments that are in no live buffer
  size_t peak = 0;         // highest in use
  size_t staging = 0;      // bytes of chunks for uploads
  size_t peakReserved = 0; // highest sum of the three: what the process took of the device
  size_t buffers = 0;
  size_t systemCalls = 0;  // calls of cuMemAlloc
};

class Memory final : public BufferTable {
 public:
  explicit Memory(Driver& driver);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /**
   * A buffer of at least `bytes` bytes, contents undefined. When the device (or the limit) has no room, cached segments
   * are given back and it is tried once more; then OutOfMemory, which says what was asked for, held and free.
   */
  BufferId allocate(size_t bytes, Type storage = Type::f32);
  void release(BufferId id, bool ignoreUnknown = false);
  /** Memory until the process ends, for uploads; 0 when there is no room. */
  CUdeviceptr reserve(size_t bytes);
  void* data(BufferId id, size_t bytes) const override;
  size_t bytes(BufferId id) const { return slot(id).bytes; }
  Type storage(BufferId id) const { return slot(id).storage; }

  MemoryStats stats() const { return stats_; }
  void resetPeak();
  /** Gives segments without a live buffer back to the driver. */
  void trim();
  /** Releases every buffer and trims. */
  void clear();
  /** Most bytes that segments may take together; 0: what the device has. */
  void setLimit(size_t bytes) { limit_ = bytes; }
  size_t limit() const { return limit_; }

 private:
  /** A part of a segment; the blocks of one segment are linked in the order of their addresses. */
  struct Block {
    CUdeviceptr address = 0;
    size_t size = 0;
    bool small = false;
    bool free = false;
    Block* before = nullptr;
    Block* after = nullptr;
  };
  struct BySize {
    bool operator()(const Block* a, const Block* b) const {
      return a->size != b->size ? a->size < b->size : a->address < b->address;
    }
  };
  struct Slot {
    Block* block = nullptr;
    size_t bytes = 0;
    Type storage = Type::f32;
    uint32_t generation = 0;
  };

  Block* take(size_t bytes);
  Block* takeFree(size_t size, bool small);
  Block* takeSegment(size_t size, bool small, size_t requested);
  CUdeviceptr allocateSegment(size_t bytes);
  void notePeak();
  void cut(Block* block, size_t size);
  void give(Block* block);
  void join(Block* block, Block* after);
  void erase(Block* block);
  std::set<Block*, BySize>& freeBlocks(bool small) { return small ? freeSmall_ : freeLarge_; }
  const Slot& slot(BufferId id) const;
  void releaseSlot(uint32_t index);
  std::string outOfMemory(size_t requested) const;

  Driver& driver_;
  bool caching_;
  size_t limit_ = 0;
  std::map<const Block*, std::unique_ptr<Block>> blocks_;
  std::set<Block*, BySize> freeSmall_;
  std::set<Block*, BySize> freeLarge_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> freeSlots_;
  MemoryStats stats_;
};

}  // namespace reasvqa::cuda

#include "pool.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>

#include "asan.h"

namespace reasvqa {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kSmallLimit = 4096;
constexpr size_t kRegionLeast = size_t{32} << 10;  // below, a block shares its huge page with too many others to gain
constexpr size_t kRegionMost = 2 * Regions::kHugePage;  // from here on a block has huge pages of its own
constexpr size_t kSlack = size_t{64} << 20;
constexpr uint32_t kSlotBits = 20;  // a million live buffers
constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
constexpr uint32_t kGenerations = 1u << (31 - kSlotBits);

/** Block sizes: multiples of 64 up to 4 KiB, then eight steps per power of two (at most 12.5 % unused). */
size_t roundUp(size_t bytes) {
  if (bytes <= kSmallLimit) return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  size_t power = kSmallLimit;
  while (power < bytes && power <= (SIZE_MAX >> 2)) power *= 2;
  const size_t step = power / 16;
  return bytes > SIZE_MAX - step ? bytes : (bytes + step - 1) / step * step;
}

std::string mebibytes(size_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

}  // namespace

void FreeBlock::operator()(std::byte* block) const {
  if (regions != nullptr) return regions->giveBack(block, capacity);
  std::free(block);
}

Pool& Pool::instance() {
  static Pool pool;
  return pool;
}

BufferId Pool::allocate(size_t bytes, bool bf16) {
  const std::lock_guard lock(mutex_);
  size_t capacity = roundUp(bytes);
  Block block = takeCached(capacity, capacity);
  if (!block) block = takeFromSystem(capacity);
  if (freeSlots_.empty()) {
    if (slots_.size() > kSlotMask) throw OutOfMemory("more than 1048576 live buffers; tensors are not being disposed");
    freeSlots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = freeSlots_.back();
  freeSlots_.pop_back();
  Slot& slot = slots_[index];
  slot.block = std::move(block);
  slot.capacity = capacity;
  slot.bytes = bytes;
  slot.live = true;
  slot.bf16 = bf16;
  ASAN_POISON_MEMORY_REGION(slot.block.get(), capacity);
  ASAN_UNPOISON_MEMORY_REGION(slot.block.get(), bytes);
  stats_.inUse += capacity;
  stats_.buffers += 1;
  stats_.peak = std::max(stats_.peak, stats_.inUse);
  return static_cast<BufferId>((slot.generation << kSlotBits) | index);
}

Pool::Block Pool::takeCached(size_t wanted, size_t& capacity) {
  Block block;
  if (wanted <= kSmallLimit) {
    const size_t bin = wanted / kAlignment;
    if (bin < small_.size() && !small_[bin].empty()) {
      block = std::move(small_[bin].back());
      small_[bin].pop_back();
      stats_.cached -= wanted;
    }
    return block;
  }
  const auto found = large_.lower_bound(wanted);
  if (found == large_.end() || found->first > wanted + wanted / 2) return block;
  capacity = found->first;
  block = std::move(found->second);
  large_.erase(found);
  stats_.cached -= capacity;
  return block;
}

Pool::Block Pool::takeFromSystem(size_t capacity) {
  const size_t inUse = stats_.inUse + capacity;
  const size_t limit = std::max(stats_.peak, inUse) / 10 * 11 + kSlack;
  evictUntil(limit > inUse ? limit - inUse : 0);
  Block block = newBlock(capacity);
  if (!block) {
    evictUntil(0);
    block = newBlock(capacity);
  }
  if (!block) {
    throw OutOfMemory("out of memory: " + mebibytes(capacity) + " requested, " + mebibytes(stats_.inUse) + " in use, " +
                      mebibytes(stats_.cached) + " cached");
  }
  stats_.systemCalls += 1;
  return block;
}

/** Null when the system has no memory. */
Pool::Block Pool::newBlock(size_t capacity) {
  if (capacity >= kRegionLeast && capacity < kRegionMost) {
    if (std::byte* block = regions_.take(capacity)) return Block(block, {&regions_, capacity});
  }
  const bool huge = capacity >= kRegionMost;
  const size_t alignment = huge ? Regions::kHugePage : kAlignment;
  if (capacity > SIZE_MAX - alignment) return nullptr;
  const size_t rounded = (capacity + alignment - 1) / alignment * alignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
  if (huge && memory != nullptr) Regions::preferHugePages(memory, rounded);
  return Block(memory);
}

void Pool::evictUntil(size_t cachedLimit) {
  while (stats_.cached > cachedLimit && !large_.empty()) {
    const auto largest = std::prev(large_.end());
    stats_.cached -= largest->first;
    large_.erase(largest);
  }
  if (stats_.cached <= cachedLimit) return;
  for (size_t bin = 0; bin < small_.size(); ++bin) {
    stats_.cached -= small_[bin].size() * bin * kAlignment;
    small_[bin].clear();
  }
}

void Pool::release(BufferId id, bool ignoreUnknown) {
  const std::lock_guard lock(mutex_);
  const uint32_t index = static_cast<uint32_t>(id) & kSlotMask;
  const uint32_t generation = static_cast<uint32_t>(id) >> kSlotBits;
  if (id < 0 || index >= slots_.size() || !slots_[index].live || slots_[index].generation != generation) {
    if (ignoreUnknown) return;
    throw std::invalid_argument("buffer " + std::to_string(id) + " is not live (released twice?)");
  }
  releaseSlot(index);
}

void Pool::releaseSlot(size_t index) {
  Slot& slot = slots_[index];
  ASAN_POISON_MEMORY_REGION(slot.block.get(), slot.capacity);
  stats_.inUse -= slot.capacity;
  stats_.buffers -= 1;
  stats_.cached += slot.capacity;
  if (slot.capacity <= kSmallLimit) {
    const size_t bin = slot.capacity / kAlignment;
    if (small_.size() <= bin) small_.resize(bin + 1);
    small_[bin].push_back(std::move(slot.block));
  } else {
    large_.emplace(slot.capacity, std::move(slot.block));
  }
  slot.live = false;
  slot.generation = (slot.generation + 1) % kGenerations;
  freeSlots_.push_back(static_cast<uint32_t>(index));
}

const Pool::Slot& Pool::slot(BufferId id) const {
  const uint32_t index = static_cast<uint32_t>(id) & kSlotMask;
  const uint32_t generation = static_cast<uint32_t>(id) >> kSlotBits;
  if (id < 0 || index >= slots_.size() || !slots_[index].live || slots_[index].generation != generation) {
    throw std::invalid_argument("buffer " + std::to_string(id) + " is not live (used after release?)");
  }
  return slots_[index];
}

void* Pool::data(BufferId id, size_t bytes) const {
  const std::lock_guard lock(mutex_);
  const Slot& found = slot(id);
  if (bytes > found.bytes) {
    throw std::invalid_argument("buffer " + std::to_string(id) + " holds " + std::to_string(found.bytes) + " bytes" +
                                (found.bf16 ? " (bf16), " : ", ") + std::to_string(bytes) + " needed");
  }
  return found.block.get();
}

size_t Pool::bytes(BufferId id) const {
  const std::lock_guard lock(mutex_);
  return slot(id).bytes;
}

bool Pool::isBf16(BufferId id) const {
  const std::lock_guard lock(mutex_);
  return slot(id).bf16;
}

PoolStats Pool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Pool::resetPeak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.inUse;
}

void Pool::trim() {
  const std::lock_guard lock(mutex_);
  evictUntil(0);
}

void Pool::clear() {
  const std::lock_guard lock(mutex_);
  for (size_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].live) releaseSlot(index);
  }
  evictUntil(0);
}

}  // namespace reasvqa

#include "cuda/runtime/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace reasvqa::cuda {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kGranule = 512;             // block sizes; keeps every block aligned for vector loads
constexpr size_t kSmallLimit = 1 * kMiB;     // requests that share small segments
constexpr size_t kSmallSegment = 2 * kMiB;
constexpr size_t kMediumLimit = 10 * kMiB;
constexpr size_t kMediumSegment = 20 * kMiB;
constexpr size_t kSegmentStep = 2 * kMiB;    // the driver's own granularity
constexpr uint32_t kSlotBits = 20;           // as in pool.cc: a million live buffers
constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
constexpr uint32_t kGenerations = 1u << (31 - kSlotBits);

size_t roundUp(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

std::string gibibytes(size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f GiB", static_cast<double>(bytes) / (1024.0 * kMiB));
  return text;
}

bool isSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && std::strcmp(value, "1") == 0;
}

}  // namespace

Memory::Memory(Driver& driver) : driver_(driver), caching_(!isSet("REASVQA_CUDA_NO_CACHE")) {}

Memory::~Memory() {
  // At the end of the process the driver may be gone; it takes its memory back itself.
}

BufferId Memory::allocate(size_t bytes, Type storage) {
  if (freeSlots_.empty()) {
    if (slots_.size() > kSlotMask) throw OutOfMemory("more than 1048576 live buffers; tensors are not being disposed");
    freeSlots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  Block* block = take(bytes);
  const uint32_t index = freeSlots_.back();
  freeSlots_.pop_back();
  Slot& slot = slots_[index];
  slot.block = block;
  slot.bytes = bytes;
  slot.storage = storage;
  stats_.inUse += block->size;
  stats_.buffers += 1;
  stats_.peak = std::max(stats_.peak, stats_.inUse);
  return static_cast<BufferId>(slot.generation << kSlotBits | index);
}

Memory::Block* Memory::take(size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw OutOfMemory(outOfMemory(bytes));
  const size_t size = caching_ ? roundUp(std::max<size_t>(bytes, 1), kGranule) : std::max<size_t>(bytes, 1);
  const bool small = size <= kSmallLimit;
  Block* block = takeFree(size, small);
  if (block == nullptr) block = takeSegment(size, small, bytes);
  block->free = false;
  stats_.cached -= block->size;
  cut(block, size);
  return block;
}

Memory::Block* Memory::takeFree(size_t size, bool small) {
  Block wanted;
  wanted.size = size;
  std::set<Block*, BySize>& blocks = freeBlocks(small);
  const auto found = blocks.lower_bound(&wanted);
  if (found == blocks.end()) return nullptr;
  Block* block = *found;
  blocks.erase(found);
  return block;
}

Memory::Block* Memory::takeSegment(size_t size, bool small, size_t requested) {
  size_t segment = size;
  if (caching_) {
    if (small) segment = kSmallSegment;
    else if (size <= kMediumLimit) segment = kMediumSegment;
    else segment = roundUp(size, kSegmentStep);
  }
  CUdeviceptr address = allocateSegment(segment);
  if (address == 0) {
    trim();
    // Without room for a whole segment, the request alone may still fit.
    address = allocateSegment(segment);
    if (address == 0 && segment != size) address = allocateSegment(segment = size);
  }
  if (address == 0) throw OutOfMemory(outOfMemory(requested));
  auto owned = std::make_unique<Block>();
  Block* block = owned.get();
  block->address = address;
  block->size = segment;
  block->small = small;
  blocks_.emplace(block, std::move(owned));
  stats_.cached += segment;
  notePeak();
  return block;
}

CUdeviceptr Memory::reserve(size_t bytes) {
  const CUdeviceptr address = allocateSegment(bytes);
  if (address == 0) return 0;
  stats_.staging += bytes;
  notePeak();
  return address;
}

void Memory::notePeak() {
  stats_.peakReserved = std::max(stats_.peakReserved, stats_.inUse + stats_.cached + stats_.staging);
}

/** 0 when there is no room. */
CUdeviceptr Memory::allocateSegment(size_t bytes) {
  if (limit_ != 0 && stats_.inUse + stats_.cached + stats_.staging + bytes > limit_) return 0;
  CUdeviceptr address = 0;
  const CUresult code = driver_.memoryAllocate(&address, bytes);
  if (code == kOutOfMemory) return 0;
  driver_.check(code, "cuMemAlloc");
  stats_.systemCalls += 1;
  return address;
}

/** Leaves `size` bytes in a block that was just taken and makes the rest a free block, unless it is too small to be of use. */
void Memory::cut(Block* block, size_t size) {
  const size_t rest = block->size - size;
  if (rest == 0 || rest < (block->small ? kGranule : kSmallLimit)) return;
  auto owned = std::make_unique<Block>();
  Block* tail = owned.get();
  tail->address = block->address + size;
  tail->size = rest;
  tail->small = block->small;
  tail->free = true;
  tail->before = block;
  tail->after = block->after;
  if (tail->after != nullptr) tail->after->before = tail;
  block->after = tail;
  block->size = size;
  blocks_.emplace(tail, std::move(owned));
  freeBlocks(tail->small).insert(tail);
  stats_.cached += rest;
}

void Memory::give(Block* block) {
  stats_.cached += block->size;
  block->free = true;
  if (block->before != nullptr && block->before->free) {
    Block* before = block->before;
    freeBlocks(before->small).erase(before);
    join(before, block);
    block = before;
  }
  if (block->after != nullptr && block->after->free) {
    freeBlocks(block->small).erase(block->after);
    join(block, block->after);
  }
  freeBlocks(block->small).insert(block);
  if (!caching_) erase(block);
}

/** Makes `block` and the block behind it one. */
void Memory::join(Block* block, Block* after) {
  block->size += after->size;
  block->after = after->after;
  if (block->after != nullptr) block->after->before = block;
  blocks_.erase(after);
}

/** Gives a free block that is a whole segment back to the driver, which waits for the kernels that use it. */
void Memory::erase(Block* block) {
  freeBlocks(block->small).erase(block);
  stats_.cached -= block->size;
  const CUdeviceptr address = block->address;
  blocks_.erase(block);
  driver_.check(driver_.memoryFree(address), "cuMemFree");
}

void Memory::trim() {
  for (const bool small : {true, false}) {
    std::vector<Block*> whole;
    for (Block* block : freeBlocks(small)) {
      if (block->before == nullptr && block->after == nullptr) whole.push_back(block);
    }
    for (Block* block : whole) erase(block);
  }
}

std::string Memory::outOfMemory(size_t requested) const {
  std::string text = "out of GPU memory: " + gibibytes(requested) + " requested; " + gibibytes(stats_.inUse) + " in use, " +
                     gibibytes(stats_.cached) + " cached";
  if (stats_.staging != 0) text += ", " + gibibytes(stats_.staging) + " for uploads";
  size_t free = 0;
  size_t total = 0;
  if (driver_.memoryInfo(&free, &total) == kSuccess) text += ", " + gibibytes(free) + " free of " + gibibytes(total);
  if (limit_ != 0) text += ", limit " + gibibytes(limit_) + " (--gpu-memory)";
  return text + "; lower the batch size and accumulate more steps instead, turn recomputation on, keep frozen weights in "
                "bf16, or use cached features";
}

void Memory::release(BufferId id, bool ignoreUnknown) {
  const uint32_t index = static_cast<uint32_t>(id) & kSlotMask;
  const uint32_t generation = static_cast<uint32_t>(id) >> kSlotBits;
  if (id < 0 || index >= slots_.size() || slots_[index].block == nullptr || slots_[index].generation != generation) {
    if (ignoreUnknown) return;
    throw std::invalid_argument("buffer " + std::to_string(id) + " is not live (released twice?)");
  }
  releaseSlot(index);
}

void Memory::releaseSlot(uint32_t index) {
  Slot& slot = slots_[index];
  Block* block = slot.block;
  slot.block = nullptr;
  slot.generation = (slot.generation + 1) % kGenerations;
  freeSlots_.push_back(index);
  stats_.inUse -= block->size;
  stats_.buffers -= 1;
  give(block);
}

const Memory::Slot& Memory::slot(BufferId id) const {
  const uint32_t index = static_cast<uint32_t>(id) & kSlotMask;
  const uint32_t generation = static_cast<uint32_t>(id) >> kSlotBits;
  if (id < 0 || index >= slots_.size() || slots_[index].block == nullptr || slots_[index].generation != generation) {
    throw std::invalid_argument("buffer " + std::to_string(id) + " is not live (used after release?)");
  }
  return slots_[index];
}

void* Memory::data(BufferId id, size_t bytes) const {
  const Slot& found = slot(id);
  if (bytes > found.bytes) {
    throw std::invalid_argument("buffer " + std::to_string(id) + " holds " + std::to_string(found.bytes) + " bytes" +
                                (found.storage == Type::bf16 ? " (bf16)" : "") + ", " + std::to_string(bytes) + " needed");
  }
  return reinterpret_cast<void*>(found.block->address);
}

void Memory::resetPeak() {
  stats_.peak = stats_.inUse;
  stats_.peakReserved = 0;
  notePeak();
}

void Memory::clear() {
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].block != nullptr) releaseSlot(index);
  }
  trim();
}

}  // namespace reasvqa::cuda

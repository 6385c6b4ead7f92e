#include "cuda/runtime/staging.h"

#include <algorithm>
#include <cstring>

namespace reasvqa::cuda {
namespace {

constexpr size_t kChunk = size_t{8} << 20;
constexpr size_t kAlignment = 256;
constexpr size_t kDirect = size_t{64} << 10;  // up to here the bus takes less time than the calls for a second stream

}  // namespace

Staging::Staging(Driver& driver, Memory& memory, CUstream compute)
    : driver_(driver), memory_(memory), compute_(compute) {
  driver_.check(driver_.streamCreate(&copies_, kStreamNonBlocking), "cuStreamCreate");
}

void Staging::upload(CUdeviceptr to, const void* from, size_t bytes) {
  const auto* source = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    if (used_ == kChunk || chunks_[current_].pinned == nullptr) next();
    const size_t piece = std::min(bytes, kChunk - used_);
    Chunk& chunk = chunks_[current_];
    std::memcpy(chunk.pinned + used_, source, piece);
    copy(chunk, to, piece);
    used_ = std::min(kChunk, (used_ + piece + kAlignment - 1) / kAlignment * kAlignment);
    source += piece;
    to += piece;
    bytes -= piece;
  }
}

/** Enqueues the way of the chunk's bytes from `used_` on. */
void Staging::copy(Chunk& chunk, CUdeviceptr to, size_t bytes) {
  const std::byte* pinned = chunk.pinned + used_;
  if (bytes > kDirect && chunk.memory == 0) chunk.memory = memory_.reserve(kChunk);
  if (bytes <= kDirect || chunk.memory == 0) {
    driver_.check(driver_.copyToDevice(to, pinned, bytes, compute_), "cuMemcpyHtoDAsync");
    return;
  }
  driver_.check(driver_.copyToDevice(chunk.memory + used_, pinned, bytes, copies_), "cuMemcpyHtoDAsync");
  driver_.check(driver_.eventRecord(chunk.arrived, copies_), "cuEventRecord");
  driver_.check(driver_.streamWaitEvent(compute_, chunk.arrived, 0), "cuStreamWaitEvent");
  driver_.check(driver_.copyOnDevice(to, chunk.memory + used_, bytes, compute_), "cuMemcpyDtoDAsync");
}

/** Goes on to the next chunk, waiting until the compute stream is through with its last contents. */
void Staging::next() {
  if (chunks_[current_].pinned != nullptr) {
    driver_.check(driver_.eventRecord(chunks_[current_].consumed, compute_), "cuEventRecord");
    current_ = (current_ + 1) % chunks_.size();
  }
  Chunk& chunk = chunks_[current_];
  if (chunk.pinned == nullptr) {
    driver_.check(driver_.eventCreate(&chunk.arrived, kEventWithoutTiming), "cuEventCreate");
    driver_.check(driver_.eventCreate(&chunk.consumed, kEventWithoutTiming), "cuEventCreate");
    void* pinned = nullptr;
    driver_.check(driver_.hostAllocate(&pinned, kChunk, 0), "cuMemHostAlloc");
    chunk.pinned = static_cast<std::byte*>(pinned);
  } else {
    driver_.check(driver_.eventSynchronize(chunk.consumed), "cuEventSynchronize");
  }
  used_ = 0;
}

}  // namespace reasvqa::cuda

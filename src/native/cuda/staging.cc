#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace reasvqa::cuda {
namespace {

constexpr size_t kChunk = size_t{8} << 20;
constexpr size_t kAlignment = 256;

}  // namespace

Staging::Staging(Driver& driver, CUstream stream) : driver_(driver), stream_(stream) {}

void Staging::upload(CUdeviceptr to, const void* from, size_t bytes) {
  const auto* source = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    if (used_ == kChunk || chunks_[current_].memory == nullptr) next();
    const size_t piece = std::min(bytes, kChunk - used_);
    std::byte* staged = chunks_[current_].memory + used_;
    std::memcpy(staged, source, piece);
    driver_.check(driver_.copyToDevice(to, staged, piece, stream_), "cuMemcpyHtoDAsync");
    used_ = std::min(kChunk, (used_ + piece + kAlignment - 1) / kAlignment * kAlignment);
    source += piece;
    to += piece;
    bytes -= piece;
  }
}

/** Goes on to the next chunk, waiting for its last copies. */
void Staging::next() {
  if (chunks_[current_].memory != nullptr) {
    driver_.check(driver_.eventRecord(chunks_[current_].copied, stream_), "cuEventRecord");
    current_ = (current_ + 1) % chunks_.size();
  }
  Chunk& chunk = chunks_[current_];
  if (chunk.memory == nullptr) {
    void* memory = nullptr;
    driver_.check(driver_.hostAllocate(&memory, kChunk, 0), "cuMemHostAlloc");
    chunk.memory = static_cast<std::byte*>(memory);
    driver_.check(driver_.eventCreate(&chunk.copied, kEventWithoutTiming), "cuEventCreate");
  } else {
    driver_.check(driver_.eventSynchronize(chunk.copied), "cuEventSynchronize");
  }
  used_ = 0;
}

}  // namespace reasvqa::cuda

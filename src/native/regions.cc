#include "regions.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "asan.h"

namespace reasvqa {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kGap = 64;  // between blocks, for AddressSanitizer to see a read past the end of one

/** Gives the whole pages inside a block back; where the system refuses, they stay resident and nothing else changes. */
void dropPages(std::byte* block, size_t bytes) {
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(block) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(block) + bytes) / page * page;
  if (begin < end) (void)madvise(block + (begin - reinterpret_cast<uintptr_t>(block)), end - begin, MADV_DONTNEED);
}

}  // namespace

void Regions::Free::operator()(std::byte* memory) const { std::free(memory); }

void Regions::preferHugePages(std::byte* memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
#else
  (void)memory, (void)bytes;
#endif
}

std::byte* Regions::take(size_t bytes) {
  const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment + kGap;
  auto found = regions_.find(open_);
  if (found == regions_.end() || kRegion - found->second.used < size) {
    if (size > kRegion) return nullptr;
    Region region = {std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(std::aligned_alloc(kHugePage, kRegion)))};
    if (!region.memory) return nullptr;
    preferHugePages(region.memory.get(), kRegion);
    ASAN_POISON_MEMORY_REGION(region.memory.get(), kRegion);
    open_ = region.memory.get();
    found = regions_.emplace(open_, std::move(region)).first;
  }
  Region& region = found->second;
  std::byte* block = region.memory.get() + region.used;
  region.used += size;
  region.blocks += 1;
  return block;
}

void Regions::giveBack(std::byte* block, size_t bytes) {
  const auto found = std::prev(regions_.upper_bound(block));
  if (--found->second.blocks > 0) return dropPages(block, bytes);
  if (found->first == open_) open_ = nullptr;
  regions_.erase(found);
}

}  // namespace reasvqa

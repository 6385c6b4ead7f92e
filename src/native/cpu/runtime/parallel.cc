/**
 * The pool: threads - 1 workers that spin for a few microseconds between regions (a training step enters one every
 * 20-100 us) and then sleep. Each thread has a share of a region's chunks, always the same part, so that what it wrote in
 * one region is in its own cache for the next; where cores share no cache, thin products took twice as long when chunks
 * went to whoever came first. It claims its share chunk by chunk from a 64-bit word {region number, first, end}, then
 * takes from the end of the others', so a worker that wakes late takes nothing from a region it does not belong to, and a busy
 * machine (other processes on the same cores) slows a region only by the chunk in progress.
 */
#include "cpu/runtime/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace reasvqa {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kSpins = 4000;  // about 50 us of pauses
constexpr int64_t kMaxChunks = UINT16_MAX;  // chunks are numbered in 16 bits

thread_local bool inside = false;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/** The chunks of a region that a thread is to do and nobody has taken: {region number: 32 bits, first: 16, end: 16}. */
class alignas(64) Share {
 public:
  void set(uint32_t region, int64_t first, int64_t end) {
    left_.store(static_cast<uint64_t>(region) << 32 | static_cast<uint64_t>(first) << 16 | static_cast<uint64_t>(end),
                std::memory_order_seq_cst);
  }

  bool empty(std::memory_order order = std::memory_order_acquire) const { return isEmpty(left_.load(order)); }

  /** The next chunk from the front, or from the end; -1 when none is left. */
  int64_t take(bool front) {
    uint64_t left = left_.load(std::memory_order_acquire);
    while (!isEmpty(left)) {
      const uint64_t rest = front ? left + (1 << 16) : left - 1;
      if (left_.compare_exchange_weak(left, rest, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return static_cast<int64_t>(front ? left >> 16 & 0xffff : (left & 0xffff) - 1);
      }
    }
    return -1;
  }

 private:
  static bool isEmpty(uint64_t left) { return (left >> 16 & 0xffff) >= (left & 0xffff); }

  std::atomic<uint64_t> left_{0};
};

class ThreadPool {
 public:
  explicit ThreadPool(int threads) { start(threads); }
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void resize(int threads) {
    const std::lock_guard region(region_);
    stop();
    start(threads);
  }

  void run(int64_t n, int64_t chunk, RangeFunction function, void* context) {
    chunk = std::max<int64_t>(chunk, 1);
    // Another JavaScript thread may be inside a region: then this one works alone rather than wait.
    std::unique_lock region(region_, std::defer_lock);
    if (inside || workers_.empty() || n <= chunk || !region.try_lock()) {
      runSerially(n, chunk, function, context);
      return;
    }
    function_ = function;
    context_ = context;
    chunk_ = chunk;
    const int64_t most = kMaxChunks * chunk;
    for (int64_t begin = 0; begin < n; begin += most) runRegion(begin, std::min(n, begin + most));
  }

 private:
  /** [begin, end), of kMaxChunks chunks at most, on all threads. */
  void runRegion(int64_t begin, int64_t end) {
    begin_ = begin;
    end_ = end;
    const int64_t chunks = (end - begin + chunk_ - 1) / chunk_;
    pending_.store(chunks, std::memory_order_relaxed);
    number_ += 1;
    const auto threads = static_cast<int64_t>(shares_.size());
    const auto firstOf = [&](int64_t thread) { return (chunks * thread + threads - 1) / threads; };
    for (int64_t thread = 0; thread < threads; ++thread) {
      shares_[thread].set(number_, firstOf(thread), firstOf(thread + 1));
    }
    if (sleeping_.load(std::memory_order_seq_cst) > 0) {
      const std::lock_guard lock(sleepMutex_);
      wake_.notify_all();
    }
    work(0);
    for (int spins = 0; pending_.load(std::memory_order_acquire) != 0; ++spins) {
      if (spins < kSpins) {
        pause();
      } else {
        sched_yield();
      }
    }
  }

  static void runSerially(int64_t n, int64_t chunk, RangeFunction function, void* context) {
    const bool before = inside;
    inside = true;
    for (int64_t begin = 0; begin < n; begin += chunk) function(context, begin, std::min(n, begin + chunk));
    inside = before;
  }

  /** Runs chunks of the current region until none is left: a thread's own, then those of the others. */
  void work(size_t self) {
    inside = true;
    for (size_t i = 0; i < shares_.size(); ++i) {
      Share& share = shares_[(self + i) % shares_.size()];
      for (int64_t taken = share.take(i == 0); taken >= 0; taken = share.take(i == 0)) {
        // The region cannot end before this chunk is done, so its description is stable here.
        const int64_t begin = begin_ + taken * chunk_;
        function_(context_, begin, std::min(end_, begin + chunk_));
        pending_.fetch_sub(1, std::memory_order_acq_rel);
      }
    }
    inside = false;
  }

  void workerLoop(size_t self) {
    const Share& own = shares_[self];
    for (;;) {
      int spins = 0;
      while (own.empty()) {
        if (stopping_.load(std::memory_order_acquire)) return;
        if (++spins < kSpins) {
          pause();
          continue;
        }
        std::unique_lock lock(sleepMutex_);
        sleeping_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] {
          return !own.empty(std::memory_order_seq_cst) || stopping_.load(std::memory_order_acquire);
        });
        sleeping_.fetch_sub(1, std::memory_order_seq_cst);
      }
      work(self);
    }
  }

  void start(int threads) {
    stopping_.store(false, std::memory_order_release);
    shares_ = std::vector<Share>(static_cast<size_t>(threads));
    for (size_t i = 1; i < shares_.size(); ++i) workers_.emplace_back([this, i] { workerLoop(i); });
  }

  void stop() {
    {
      const std::lock_guard lock(sleepMutex_);
      stopping_.store(true, std::memory_order_release);
      wake_.notify_all();
    }
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  std::vector<std::thread> workers_;
  std::mutex region_;
  std::mutex sleepMutex_;
  std::condition_variable wake_;
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stopping_{false};
  std::vector<Share> shares_;  // the calling thread's first
  uint32_t number_ = 0;
  alignas(64) std::atomic<int64_t> pending_{0};
  int64_t begin_ = 0;
  int64_t end_ = 0;
  int64_t chunk_ = 1;
  RangeFunction function_ = nullptr;
  void* context_ = nullptr;
};

int wantedThreads = 0;

int availableCores() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool& pool() {
  static ThreadPool instance(std::max(1, wantedThreads));
  return instance;
}

void checkThreads(int64_t threads, const std::string& given) {
  if (threads < 1 || threads > kMaxThreads) {
    throw std::runtime_error("REASVQA_THREADS=" + given + ": expected a whole number from 1 to " +
                             std::to_string(kMaxThreads));
  }
}

}  // namespace

void initThreads() {
  const char* given = std::getenv("REASVQA_THREADS");
  if (given == nullptr || *given == '\0') {
    wantedThreads = std::min(kMaxThreads, availableCores());
    return;
  }
  char* end = nullptr;
  const long long threads = std::strtoll(given, &end, 10);
  checkThreads(*end == '\0' ? threads : 0, given);
  wantedThreads = static_cast<int>(threads);
}

int threadCount() { return pool().threads(); }

void setThreadCount(int threads) {
  checkThreads(threads, std::to_string(threads));
  if (inside) throw std::runtime_error("the thread count cannot change inside a parallel region");
  if (threads != pool().threads()) pool().resize(threads);
}

bool insideParallel() { return inside; }

int64_t chunkFor(int64_t n, int64_t grain) {
  // Four chunks a thread balance uneven cores and cost 1 % of overhead at the smallest grains in use.
  const int64_t parts = int64_t{4} * threadCount();
  return std::max<int64_t>(grain, (n + parts - 1) / parts);
}

void parallelRanges(int64_t n, int64_t chunk, RangeFunction function, void* context) {
  pool().run(n, chunk, function, context);
}

}  // namespace reasvqa

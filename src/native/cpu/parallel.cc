/**
 * The pool: threads - 1 workers that spin for a few microseconds between regions (a training step enters one every
 * 20-100 us) and then sleep. Work is claimed chunk by chunk from one 64-bit word {region number, chunks left}, so a
 * worker that wakes late takes nothing from a region it does not belong to, and a busy machine (other processes
 * on the same cores) slows a region only by the chunk in progress.
 */
#include "cpu/parallel.h"

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
constexpr int64_t kMaxChunks = INT32_MAX;
constexpr uint64_t kCountMask = 0xffffffffu;

thread_local bool inside = false;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

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
    chunk = std::max<int64_t>({chunk, 1, n / kMaxChunks + 1});
    // Another JavaScript thread may be inside a region: then this one works alone rather than wait.
    std::unique_lock region(region_, std::defer_lock);
    if (inside || workers_.empty() || n <= chunk || !region.try_lock()) {
      runSerially(n, chunk, function, context);
      return;
    }
    const int64_t chunks = (n + chunk - 1) / chunk;
    n_ = n;
    chunk_ = chunk;
    function_ = function;
    context_ = context;
    pending_.store(chunks, std::memory_order_relaxed);
    const uint64_t number = (state_.load(std::memory_order_relaxed) >> 32) + 1;
    state_.store((number << 32) | static_cast<uint64_t>(chunks), std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) {
      const std::lock_guard lock(sleepMutex_);
      wake_.notify_all();
    }
    work();
    for (int spins = 0; pending_.load(std::memory_order_acquire) != 0; ++spins) {
      if (spins < kSpins) {
        pause();
      } else {
        sched_yield();
      }
    }
  }

 private:
  static void runSerially(int64_t n, int64_t chunk, RangeFunction function, void* context) {
    const bool before = inside;
    inside = true;
    for (int64_t begin = 0; begin < n; begin += chunk) function(context, begin, std::min(n, begin + chunk));
    inside = before;
  }

  /** Claims and runs chunks of the current region until none is left. */
  void work() {
    inside = true;
    uint64_t state = state_.load(std::memory_order_acquire);
    while ((state & kCountMask) != 0) {
      if (!state_.compare_exchange_weak(state, state - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      // The region cannot end before this chunk is done, so its description is stable from here on.
      const int64_t chunks = (n_ + chunk_ - 1) / chunk_;
      const int64_t begin = (chunks - static_cast<int64_t>(state & kCountMask)) * chunk_;
      function_(context_, begin, std::min(n_, begin + chunk_));
      pending_.fetch_sub(1, std::memory_order_acq_rel);
      state = state_.load(std::memory_order_acquire);
    }
    inside = false;
  }

  void workerLoop() {
    for (;;) {
      int spins = 0;
      while ((state_.load(std::memory_order_acquire) & kCountMask) == 0) {
        if (stopping_.load(std::memory_order_acquire)) return;
        if (++spins < kSpins) {
          pause();
          continue;
        }
        std::unique_lock lock(sleepMutex_);
        sleeping_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [this] {
          return (state_.load(std::memory_order_seq_cst) & kCountMask) != 0 || stopping_.load(std::memory_order_acquire);
        });
        sleeping_.fetch_sub(1, std::memory_order_seq_cst);
      }
      work();
    }
  }

  void start(int threads) {
    stopping_.store(false, std::memory_order_release);
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { workerLoop(); });
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
  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<int64_t> pending_{0};
  int64_t n_ = 0;
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

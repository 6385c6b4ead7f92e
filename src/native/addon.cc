/**
 * Entry of the addon: the pool's functions, threads and instruction set, and all that registered itself (binding.h).
 * Everything the module exports is a function over integer buffer ids; a CUDA device exports the same names.
 */
#include <cstring>

#include "binding.h"
#include "cpu/runtime/isa.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/storage.h"

namespace reasvqa {
namespace {

double allocate(Args& args) { return Pool::instance().allocate(static_cast<size_t>(args.size(0))); }

void release(Args& args) { Pool::instance().release(args.i32(0), args.count() > 1 && args.flag(1)); }

/** write(id, typed array): copies the array to the start of the buffer. */
void write(Args& args) {
  size_t bytes = 0;
  const void* from = args.typedArray(1, bytes);
  auto* to = args.out<std::byte>(0, static_cast<int64_t>(bytes));
  if (bytes > 0) std::memcpy(to, from, bytes);
}

/**
 * read(id, typed array, byte offset): fills the array; on an asynchronous device this is where work is awaited. A bf16
 * buffer is read as f32, offset and size in f32 bytes.
 */
void read(Args& args) {
  size_t bytes = 0;
  void* to = args.typedArray(1, bytes);
  const int64_t offset = args.count() > 2 ? args.size(2) : 0;
  if (Pool::instance().isBf16(args.i32(0))) {
    check(offset % 4 == 0 && bytes % 4 == 0, "read: a bf16 buffer is read as f32");
    const int64_t n = static_cast<int64_t>(bytes) / 4;
    storageKernels().widen(args.in<Bf16>(0, offset / 4 + n) + offset / 4, static_cast<float*>(to), n);
    return;
  }
  const auto* from = args.in<std::byte>(0, offset + static_cast<int64_t>(bytes));
  if (bytes > 0) std::memcpy(to, from + offset, bytes);
}

napi_value memory(Args& args) {
  const PoolStats stats = Pool::instance().stats();
  Napi::Object result = Napi::Object::New(args.env());
  result.Set("inUse", static_cast<double>(stats.inUse));
  result.Set("cached", static_cast<double>(stats.cached));
  result.Set("peak", static_cast<double>(stats.peak));
  result.Set("buffers", static_cast<double>(stats.buffers));
  result.Set("systemCalls", static_cast<double>(stats.systemCalls));
  return result;
}

void resetPeak(Args&) { Pool::instance().resetPeak(); }
void trim(Args&) { Pool::instance().trim(); }
void clear(Args&) { Pool::instance().clear(); }

double threads(Args&) { return threadCount(); }
void setThreads(Args& args) { setThreadCount(args.i32(0)); }
napi_value isaInUse(Args& args) { return Napi::String::New(args.env(), isaName(isa())); }
void setIsaInUse(Args& args) { setIsa(args.text(0)); }
napi_value isaBest(Args& args) { return Napi::String::New(args.env(), isaName(bestIsa())); }

Napi::Object init(Napi::Env env, Napi::Object exports) {
  try {
    initIsa();
    initThreads();
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
  bind<allocate>(exports, "allocate");
  bind<release>(exports, "release");
  bind<write>(exports, "write");
  bind<read>(exports, "read");
  exports.Set("bf16Activations", false);
  bind<memory>(exports, "memory");
  bind<resetPeak>(exports, "resetPeak");
  bind<trim>(exports, "trim");
  bind<clear>(exports, "clear");
  bind<threads>(exports, "threads");
  bind<setThreads>(exports, "setThreads");
  bind<isaInUse>(exports, "isa");
  bind<setIsaInUse>(exports, "setIsa");
  bind<isaBest>(exports, "bestIsa");
  for (const Registration registration : registrations()) registration(env, exports);
  return exports;
}

}  // namespace
}  // namespace reasvqa

static Napi::Object initModule(Napi::Env env, Napi::Object exports) { return reasvqa::init(env, exports); }

NODE_API_MODULE(reasvqa, initModule)

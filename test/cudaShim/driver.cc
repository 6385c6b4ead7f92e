/**
 * libcuda.so.1 of the tests: device memory is host memory, and what is put into a stream waits in the stream's queue until
 * something waits for it, so that a host buffer used again too early, or a result that nobody waited for, is noticed.
 * CUDA_SHIM_EAGER=1 runs every stream but the first at once: what it overwrites too early is noticed then.
 *
 * Around every allocation lie guard bytes, checked after every kernel and when it is freed; new memory is full of NaN.
 * Faults are switched on by variables, read at every call: CUDA_SHIM_INIT (what cuInit returns), CUDA_SHIM_DRIVER
 * (version), CUDA_SHIM_DEVICES, CUDA_SHIM_CAPABILITY, CUDA_SHIM_MEMORY (bytes of the device), CUDA_SHIM_FAIL_KERNEL (its
 * launch faults), CUDA_SHIM_NO_STREAMS (1: none can be made). cudaShimError() tells the text of the last fault,
 * cudaShimAllocations() the number of live allocations.
 *
 * CUDA_SHIM_HOLLOW=1, fixed at cuInit, is a device that computes nothing, infinitely fast: memory is address space that
 * nothing touches, launches and copies are checked and dropped, and what is read from it is 1.0f (weights have no zeros).
 * With it a model of any size takes its true steps on a laptop: what is left is the host's share of the time, the number of
 * launches, and the exact bytes of the allocator. CUDA_SHIM_COUNT=1 prints the number of launches, of each kernel and of
 * products, to stderr at the end.
 */
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kSuccess = 0;
constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNotFound = 500;
constexpr int kIllegalAddress = 700;
constexpr int kLaunchFailed = 719;
constexpr size_t kGuard = 256;
constexpr unsigned char kGuardByte = 0xa7;

int64_t setting(const char* name, int64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : std::atoll(value);
}

struct Dim {
  unsigned x, y, z;
};
struct Launch {
  Dim grid, block;
  unsigned sharedBytes;
};

struct Function {
  std::string name;
  const char* (*run)(const Launch*, void**) = nullptr;
  size_t (*parameterSize)(size_t) = nullptr;
  int maxShared = 48 << 10;
};
struct Module {
  void* library = nullptr;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

struct Stream {
  std::deque<std::function<void()>> queue;
  size_t done = 0;  // pieces of work taken from the queue so far
};
/** The work of a stream up to the record. */
struct Event {
  Stream* stream = nullptr;
  size_t until = 0;
};

struct Device {
  std::map<char*, size_t> allocations;  // address (behind the guard) -> bytes
  size_t used = 0;
  bool retained = false;  // its primary context
  std::vector<std::unique_ptr<Stream>> streams;
  int fault = kSuccess;  // kept, as in a real context
  std::string faultText;
  bool hollow = false;
  int64_t launches = 0;
  std::map<std::string, int64_t> launchesOf;  // by kernel
};
Device& gpu() {
  static Device device;
  return device;
}

/** Memory full of NaN between guards. */
char* allocateGuarded(size_t bytes) {
  const size_t whole = (bytes + 2 * kGuard + 511) / 256 * 256;
  char* memory = static_cast<char*>(std::aligned_alloc(256, whole));
  if (memory == nullptr) return nullptr;
  std::memset(memory, kGuardByte, whole);
  memory += kGuard;
  std::memset(memory, 0xff, bytes);
  return memory;
}

char* reserveAddresses(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

bool guarded(const char* memory, size_t bytes) {
  for (size_t i = 0; i < kGuard; ++i) {
    if (static_cast<unsigned char>(memory[-1 - static_cast<long>(i)]) != kGuardByte) return false;
    if (static_cast<unsigned char>(memory[bytes + i]) != kGuardByte) return false;
  }
  return true;
}

void setFault(int code, const std::string& text) {
  if (gpu().fault != kSuccess) return;
  gpu().fault = code;
  gpu().faultText = text;
}

/** Finds writes outside of an allocation. */
void checkGuards(const std::string& culprit) {
  for (const auto& [memory, bytes] : gpu().allocations) {
    if (!guarded(memory, bytes)) {
      setFault(kIllegalAddress, culprit + " wrote outside of an allocation of " + std::to_string(bytes) + " bytes");
      return;
    }
  }
}

/** Runs a stream until so many pieces of its work are done. */
int run(Stream& stream, size_t until) {
  while (stream.done < until && !stream.queue.empty()) {
    const std::function<void()> work = std::move(stream.queue.front());
    stream.queue.pop_front();
    stream.done += 1;
    if (gpu().fault == kSuccess) work();
  }
  return gpu().fault;
}

int run(const Event& event) { return event.stream == nullptr ? gpu().fault : run(*event.stream, event.until); }

/** Does everything that is queued. */
int drain() {
  for (const auto& stream : gpu().streams) run(*stream, SIZE_MAX);
  return gpu().fault;
}

/** The first stream stands for the one of a launch that names none. */
Stream& streamOf(void* stream) {
  if (gpu().streams.empty()) gpu().streams.push_back(std::make_unique<Stream>());
  return stream == nullptr ? *gpu().streams.front() : *static_cast<Stream*>(stream);
}

int enqueue(void* to, std::function<void()> work) {
  if (gpu().fault != kSuccess || gpu().hollow) return gpu().fault;
  Stream& stream = streamOf(to);
  stream.queue.push_back(std::move(work));
  const bool eager = setting("CUDA_SHIM_EAGER", 0) != 0 && &stream != gpu().streams.front().get();
  return eager ? run(stream, SIZE_MAX) : kSuccess;
}

/** The length of an ELF image: its section table is the last thing in it. */
size_t imageBytes(const void* image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return 0;
  return header.e_shoff + size_t{header.e_shnum} * header.e_shentsize;
}

void fillWithOnes(char* to, size_t bytes) {
  constexpr float one = 1.0f;
  for (size_t at = 0; at < bytes; at += sizeof(one)) std::memcpy(to + at, &one, std::min(sizeof(one), bytes - at));
}

}  // namespace

EXPORT const char* cudaShimError() { return gpu().faultText.c_str(); }
EXPORT int cudaShimAllocations() { return static_cast<int>(gpu().allocations.size()); }
EXPORT int64_t cudaShimLaunches() { return gpu().launches; }
/** Counts a launch. @returns 0 when nothing is computed */
EXPORT int cudaShimCountLaunch(const char* kernel) {
  gpu().launches += 1;
  gpu().launchesOf[kernel] += 1;
  return gpu().hollow ? 0 : 1;
}
/** For the shim's cuBLASLt: work behind everything queued so far. */
EXPORT int cudaShimEnqueue(void (*run)(void*), void* data, void* stream) {
  return enqueue(stream, [run, data] { run(data); });
}

EXPORT int cuInit(unsigned) {
  gpu().hollow = setting("CUDA_SHIM_HOLLOW", 0) != 0;
  if (setting("CUDA_SHIM_COUNT", 0) != 0) {
    std::atexit([] {
      std::fprintf(stderr, "cuda shim: %lld launches\n", static_cast<long long>(gpu().launches));
      for (const auto& [kernel, count] : gpu().launchesOf)
        std::fprintf(stderr, "%10lld %s\n", static_cast<long long>(count), kernel.c_str());
    });
  }
  return static_cast<int>(setting("CUDA_SHIM_INIT", kSuccess));
}
EXPORT int cuDriverGetVersion(int* version) {
  *version = static_cast<int>(setting("CUDA_SHIM_DRIVER", 12080));
  return kSuccess;
}
EXPORT int cuGetErrorName(int code, const char** name) {
  switch (code) {
    case kInvalidValue: *name = "CUDA_ERROR_INVALID_VALUE"; return kSuccess;
    case kOutOfMemory: *name = "CUDA_ERROR_OUT_OF_MEMORY"; return kSuccess;
    case 100: *name = "CUDA_ERROR_NO_DEVICE"; return kSuccess;
    case kNotFound: *name = "CUDA_ERROR_NOT_FOUND"; return kSuccess;
    case kIllegalAddress: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; return kSuccess;
    case kLaunchFailed: *name = "CUDA_ERROR_LAUNCH_FAILED"; return kSuccess;
    default: *name = nullptr; return kInvalidValue;
  }
}
EXPORT int cuGetErrorString(int code, const char** text) {
  *text = code == gpu().fault && code != kSuccess ? gpu().faultText.c_str() : "shim";
  return kSuccess;
}
EXPORT int cuDeviceGetCount(int* count) {
  *count = static_cast<int>(setting("CUDA_SHIM_DEVICES", 1));
  return kSuccess;
}
EXPORT int cuDeviceGet(int* device, int index) {
  *device = index;
  return kSuccess;
}
EXPORT int cuDeviceGetName(char* name, int length, int device) {
  std::snprintf(name, static_cast<size_t>(length), "CUDA shim %d", device);
  return kSuccess;
}
EXPORT int cuDeviceGetAttribute(int* value, int which, int) {
  const int capability = static_cast<int>(setting("CUDA_SHIM_CAPABILITY", 90));
  switch (which) {
    case 16: *value = 2; return kSuccess;
    case 75: *value = capability / 10; return kSuccess;
    case 76: *value = capability % 10; return kSuccess;
    case 97: *value = 227 << 10; return kSuccess;
    default: return kInvalidValue;
  }
}
// A process opens one device once: a second context means that a failed attempt kept the first.
EXPORT int cuDevicePrimaryCtxRetain(void** context, int) {
  if (gpu().retained) return kInvalidValue;
  gpu().retained = true;
  *context = &gpu();
  return kSuccess;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int) {
  gpu().retained = false;
  return kSuccess;
}
EXPORT int cuCtxSetCurrent(void*) { return kSuccess; }

EXPORT int cuMemGetInfo_v2(size_t* free, size_t* total) {
  *total = static_cast<size_t>(setting("CUDA_SHIM_MEMORY", int64_t{4} << 30));
  *free = *total > gpu().used ? *total - gpu().used : 0;
  return kSuccess;
}
EXPORT int cuMemAlloc_v2(unsigned long long* address, size_t bytes) {
  if (gpu().fault != kSuccess) return gpu().fault;
  size_t free = 0;
  size_t total = 0;
  cuMemGetInfo_v2(&free, &total);
  if (bytes == 0) return kInvalidValue;
  if (bytes > free) return kOutOfMemory;
  char* memory = gpu().hollow ? reserveAddresses(bytes) : allocateGuarded(bytes);
  if (memory == nullptr) return kOutOfMemory;
  gpu().allocations[memory] = bytes;
  gpu().used += bytes;
  *address = reinterpret_cast<unsigned long long>(memory);
  return kSuccess;
}
EXPORT int cuMemFree_v2(unsigned long long address) {
  drain();
  auto* memory = reinterpret_cast<char*>(address);
  const auto found = gpu().allocations.find(memory);
  if (found == gpu().allocations.end()) return kInvalidValue;
  if (gpu().hollow) {
    munmap(memory, found->second);
  } else {
    if (!guarded(memory, found->second)) checkGuards("something");
    std::memset(memory, 0xff, found->second);
    std::free(memory - kGuard);
  }
  gpu().used -= found->second;
  gpu().allocations.erase(found);
  return gpu().fault;
}
EXPORT int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  *memory = std::malloc(bytes);
  return *memory == nullptr ? kOutOfMemory : kSuccess;
}
EXPORT int cuMemFreeHost(void* memory) {
  drain();
  std::free(memory);
  return kSuccess;
}
EXPORT int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t bytes, void* stream) {
  return enqueue(stream, [=] {
    std::memcpy(reinterpret_cast<void*>(to), from, bytes);
    checkGuards("cuMemcpyHtoDAsync");
  });
}
EXPORT int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t bytes, void* stream) {
  if (gpu().hollow) fillWithOnes(static_cast<char*>(to), bytes);
  return enqueue(stream, [=] { std::memcpy(to, reinterpret_cast<const void*>(from), bytes); });
}
EXPORT int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes, void* stream) {
  return enqueue(stream, [=] {
    std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
    checkGuards("cuMemcpyDtoDAsync");
  });
}
EXPORT int cuMemsetD8Async(unsigned long long to, unsigned char value, size_t bytes, void* stream) {
  return enqueue(stream, [=] {
    std::memset(reinterpret_cast<void*>(to), value, bytes);
    checkGuards("cuMemsetD8Async");
  });
}

EXPORT int cuStreamCreate(void** stream, unsigned) {
  if (setting("CUDA_SHIM_NO_STREAMS", 0) != 0) return kOutOfMemory;
  gpu().streams.push_back(std::make_unique<Stream>());
  *stream = gpu().streams.back().get();
  return kSuccess;
}
EXPORT int cuStreamDestroy_v2(void*) { return kSuccess; }
EXPORT int cuStreamSynchronize(void* stream) { return run(streamOf(stream), SIZE_MAX); }
EXPORT int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  return enqueue(stream, [until = *static_cast<Event*>(event)] { run(until); });
}
EXPORT int cuEventCreate(void** event, unsigned) {
  *event = new Event;
  return kSuccess;
}
EXPORT int cuEventDestroy_v2(void* event) {
  delete static_cast<Event*>(event);
  return kSuccess;
}
EXPORT int cuEventRecord(void* event, void* stream) {
  Stream& of = streamOf(stream);
  *static_cast<Event*>(event) = {&of, of.done + of.queue.size()};
  return gpu().fault;
}
EXPORT int cuEventQuery(void* event) { return run(*static_cast<Event*>(event)); }
EXPORT int cuEventSynchronize(void* event) { return run(*static_cast<Event*>(event)); }

EXPORT int cuModuleLoadData(void** module, const void* image) {
  const size_t bytes = imageBytes(image);
  if (bytes == 0) return kInvalidValue;
  const int file = memfd_create("kernel", 0);
  if (file < 0 || write(file, image, bytes) != static_cast<ssize_t>(bytes)) return kInvalidValue;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) std::fprintf(stderr, "cuda shim: %s\n", dlerror());
  if (library == nullptr) return kInvalidValue;
  // The file stays open: the loader tells libraries apart by their path.
  auto* made = new Module;
  made->library = library;
  *module = made;
  return kSuccess;
}
EXPORT int cuModuleUnload(void* module) {
  drain();
  delete static_cast<Module*>(module);
  return kSuccess;
}
EXPORT int cuModuleGetFunction(void** function, void* module, const char* name) {
  auto* from = static_cast<Module*>(module);
  auto made = std::make_unique<Function>();
  made->name = name;
  made->run = reinterpret_cast<decltype(made->run)>(dlsym(from->library, ("shim_run_" + made->name).c_str()));
  made->parameterSize =
      reinterpret_cast<decltype(made->parameterSize)>(dlsym(from->library, ("shim_size_" + made->name).c_str()));
  if (made->run == nullptr || made->parameterSize == nullptr) return kNotFound;
  *function = made.get();
  from->functions[name] = std::move(made);
  return kSuccess;
}
EXPORT int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (attribute != 8 || value > (227 << 10)) return kInvalidValue;
  static_cast<Function*>(function)->maxShared = value;
  return kSuccess;
}
EXPORT int cuFuncGetParamInfo(void* function, size_t index, size_t* offset, size_t* bytes) {
  *bytes = static_cast<Function*>(function)->parameterSize(index);
  *offset = 0;
  return *bytes == 0 ? kInvalidValue : kSuccess;
}
EXPORT int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned sharedBytes, void* stream, void** arguments, void**) {
  auto* kernel = static_cast<Function*>(function);
  if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535) return kInvalidValue;
  if (bx == 0 || by == 0 || bz == 0 || bx * by * bz > 1024 || bz > 64) return kInvalidValue;
  if (static_cast<int>(sharedBytes) > kernel->maxShared) return kInvalidValue;
  if (cudaShimCountLaunch(kernel->name.c_str()) == 0) return gpu().fault;
  // Arguments are copied at the launch, as a driver does.
  std::vector<std::vector<char>> copies;
  for (size_t i = 0; kernel->parameterSize(i) != 0; ++i) {
    const auto* from = static_cast<const char*>(arguments[i]);
    copies.emplace_back(from, from + kernel->parameterSize(i));
  }
  const Launch launch{{gx, gy, gz}, {bx, by, bz}, sharedBytes};
  return enqueue(stream, [kernel, launch, copies]() mutable {
    const char* failing = std::getenv("CUDA_SHIM_FAIL_KERNEL");
    if (failing != nullptr && kernel->name == failing) {
      setFault(kIllegalAddress, "an illegal memory access was encountered");
      return;
    }
    std::vector<void*> pointers;
    for (auto& copy : copies) pointers.push_back(copy.data());
    const char* error = kernel->run(&launch, pointers.data());
    if (error != nullptr) setFault(kLaunchFailed, kernel->name + ": " + error);
    checkGuards("kernel " + kernel->name);
  });
}

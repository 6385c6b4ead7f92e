/**
 * The object `cuda` of the exports: opening the device, what is known about it, its buffers, and every launcher that
 * registered itself. Functions that the CPU device has too have the same names and arguments.
 */
#include <memory>
#include <vector>

#include "cuda/runtime/args.h"
#include "cuda/runtime/device.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

std::vector<Registration>& registrations() {
  static std::vector<Registration> list;
  return list;
}

// Never destroyed: at exit the driver may be gone before this would be.
Device* opened = nullptr;

}  // namespace

CudaRegistrar::CudaRegistrar(Registration registration) { registrations().push_back(registration); }

Device& device() {
  if (opened == nullptr) throw CudaError("no CUDA device is open");
  return *opened;
}

const BufferTable& openBuffers() { return device().memory(); }
Type storageOf(BufferId id) { return device().memory().storage(id); }

namespace {

/** open(device, memoryLimit): once a process; the same device may be asked for again, with another limit. */
void open(Args& args) {
  const int index = args.i32(0);
  const auto limit = static_cast<size_t>(args.size(1));
  if (opened == nullptr) {
    opened = new Device(index, limit);
  } else if (opened->properties().index != index) {
    throw CudaError("GPU " + std::to_string(opened->properties().index) + " is in use already; a process computes on one GPU");
  }
  opened->memory().setLimit(limit);
}

/** gpuName(index): opens nothing, so that it costs neither time nor memory of the GPU. */
napi_value gpuName(Args& args) {
  Driver driver;
  return Napi::String::New(args.env(), inspectGpu(driver, args.i32(0)).name);
}

/** Names of the kernel sources, for `compile`. */
napi_value sources(Args& args) {
  Napi::Array names = Napi::Array::New(args.env());
  uint32_t count = 0;
  for (const KernelSource& source : kernelSources()) names.Set(count++, source.name);
  return names;
}

/** compile(source, capability): bytes of the compiled source. Needs NVRTC and no GPU; the cache is not used. */
double compile(Args& args) {
  Compiler compiler({13, 12}, args.i32(1));
  const std::string name = args.text(0);
  for (const KernelSource& source : kernelSources()) {
    if (source.name == name) return static_cast<double>(compiler.compile(source).size());
  }
  throw CudaError("no kernel source is named " + name + ".cu");
}

napi_value info(CudaArgs& args) {
  Device& gpu = device();
  Napi::Object result = Napi::Object::New(args.env());
  result.Set("name", gpu.properties().name);
  result.Set("index", gpu.properties().index);
  result.Set("count", gpu.properties().count);
  result.Set("capability", std::to_string(gpu.properties().capability / 10) + "." + std::to_string(gpu.properties().capability % 10));
  result.Set("architecture", gpu.compiler().architecture());
  result.Set("totalMemory", static_cast<double>(gpu.totalMemory()));
  result.Set("freeMemory", static_cast<double>(gpu.freeMemory()));
  result.Set("driver", versionText(gpu.driver().version()));
  result.Set("nvrtc", gpu.compiler().version());
  result.Set("nvrtcPath", gpu.compiler().libraryPath());
  result.Set("cublasLt", gpu.blas().version());
  result.Set("cublasLtPath", gpu.blas().libraryPath());
  result.Set("kernelCache", gpu.compiler().cacheFolder());
  result.Set("compiled", static_cast<double>(gpu.compiler().compiled()));
  return result;
}

double allocate(CudaArgs& args) { return device().memory().allocate(static_cast<size_t>(args.size(0))); }

void release(CudaArgs& args) { device().memory().release(args.i32(0), args.count() > 1 && args.flag(1)); }

/** write(id, typed array): the bytes as they are; f32 values become bf16 in castStorage alone. */
void write(CudaArgs& args) {
  size_t bytes = 0;
  const void* from = args.typedArray(1, bytes);
  upload(args.out<std::byte>(0, static_cast<int64_t>(bytes)), from, bytes);
}

/** read(id, typed array, byte offset): waits for the device. A bf16 buffer is read as f32, offset and size in f32 bytes. */
void read(CudaArgs& args) {
  size_t bytes = 0;
  void* to = args.typedArray(1, bytes);
  const int64_t offset = args.count() > 2 ? args.size(2) : 0;
  if (storageOf(args.i32(0)) == Type::f32) {
    download(to, args.in<std::byte>(0, offset + static_cast<int64_t>(bytes)) + offset, bytes);
    return;
  }
  check(offset % 4 == 0 && bytes % 4 == 0, "read: a bf16 buffer is read as f32");
  const int64_t n = static_cast<int64_t>(bytes) / 4;
  const auto* from = args.in<unsigned short>(0, offset / 4 + n) + offset / 4;
  const Scratch wide(bytes);
  launch("storage", "bf16ToF32", gridFor(n), {256}, 0, from, wide.as<float>(), n);
  download(to, wide.as<float>(), bytes);
}

/** allocateBf16(elements): contents undefined; write() takes the elements' bits. */
double allocateBf16(CudaArgs& args) {
  return device().memory().allocate(static_cast<size_t>(args.size(0)) * sizeof(unsigned short), Type::bf16);
}

/** castStorage(id, elements): a new buffer with the f32 elements rounded to bf16. */
double castStorage(CudaArgs& args) {
  const int64_t n = args.size(1);
  const auto* from = args.in<float>(0, n);
  const BufferId id = device().memory().allocate(static_cast<size_t>(n) * sizeof(unsigned short), Type::bf16);
  launch("storage", "f32ToBf16", gridFor(n), {256}, 0, from, args.at<unsigned short>(id, n), n);
  return id;
}

napi_value memory(CudaArgs& args) {
  const MemoryStats stats = device().memory().stats();
  Napi::Object result = Napi::Object::New(args.env());
  result.Set("inUse", static_cast<double>(stats.inUse));
  result.Set("cached", static_cast<double>(stats.cached));
  result.Set("staging", static_cast<double>(stats.staging));
  result.Set("peak", static_cast<double>(stats.peak));
  result.Set("peakReserved", static_cast<double>(stats.peakReserved));
  result.Set("buffers", static_cast<double>(stats.buffers));
  result.Set("systemCalls", static_cast<double>(stats.systemCalls));
  result.Set("limit", static_cast<double>(device().memory().limit()));
  return result;
}

void resetPeak(CudaArgs&) { device().memory().resetPeak(); }
void trim(CudaArgs&) { device().memory().trim(); }
void clear(CudaArgs&) { device().memory().clear(); }
void setMemoryLimit(CudaArgs& args) { device().memory().setLimit(static_cast<size_t>(args.size(0))); }
void wait(CudaArgs&) { synchronize(); }

void registerCuda(Napi::Env env, Napi::Object exports) {
  Napi::Object cuda = Napi::Object::New(env);
  cuda.Set("bf16Activations", true);
  bind<open>(cuda, "open");
  bind<gpuName>(cuda, "gpuName");
  bind<sources>(cuda, "sources");
  bind<compile>(cuda, "compile");
  bindCuda<info>(cuda, "info");
  bindCuda<allocate>(cuda, "allocate");
  bindCuda<release>(cuda, "release");
  bindCuda<write>(cuda, "write");
  bindCuda<read>(cuda, "read");
  bindCuda<allocateBf16>(cuda, "allocateBf16");
  bindCuda<castStorage>(cuda, "castStorage");
  bindCuda<memory>(cuda, "memory");
  bindCuda<resetPeak>(cuda, "resetPeak");
  bindCuda<trim>(cuda, "trim");
  bindCuda<clear>(cuda, "clear");
  bindCuda<setMemoryLimit>(cuda, "setMemoryLimit");
  bindCuda<wait>(cuda, "synchronize");
  for (const Registration registration : registrations()) registration(env, cuda);
  exports.Set("cuda", cuda);
}
REASVQA_REGISTER(registerCuda)

}  // namespace
}  // namespace reasvqa::cuda

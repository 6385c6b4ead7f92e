#include "cuda/runtime/device.h"

#include <algorithm>

#include "cuda/runtime/fault.h"

namespace reasvqa::cuda {
namespace {

constexpr int kOldestCapability = 80;
constexpr size_t kRemembered = 8;

/** Libraries of a newer major version than the driver's do not run on it. */
std::vector<int> toolkitMajors(const Driver& driver) {
  return driver.version() >= 13000 ? std::vector<int>{13, 12} : std::vector<int>{12};
}

}  // namespace

GpuProperties inspectGpu(Driver& driver, int index) {
  GpuProperties gpu;
  gpu.index = index;
  driver.check(driver.deviceCount(&gpu.count), "cuDeviceGetCount");
  if (index < 0 || index >= gpu.count) {
    throw CudaError("there is no GPU " + std::to_string(index) + ": the driver shows " + std::to_string(gpu.count) +
                    ", numbered from 0");
  }
  driver.check(driver.deviceGet(&gpu.handle, index), "cuDeviceGet");
  char name[256] = "";
  driver.check(driver.deviceName(name, sizeof(name), gpu.handle), "cuDeviceGetName");
  gpu.name = name;
  const auto attribute = [&](int which) {
    int value = 0;
    driver.check(driver.deviceAttribute(&value, which, gpu.handle), "cuDeviceGetAttribute");
    return value;
  };
  gpu.capability = 10 * attribute(kAttributeCapabilityMajor) + attribute(kAttributeCapabilityMinor);
  gpu.multiprocessors = attribute(kAttributeMultiprocessors);
  gpu.maxSharedBytes = static_cast<uint32_t>(attribute(kAttributeSharedPerBlockOptin));
  if (gpu.capability < kOldestCapability) {
    throw CudaError("GPU " + std::to_string(index) + " (" + gpu.name + ") has compute capability " +
                    std::to_string(gpu.capability / 10) + "." + std::to_string(gpu.capability % 10) +
                    "; native-cuda needs 8.0 (Ampere) or newer");
  }
  return gpu;
}

PrimaryContext::PrimaryContext(Driver& driver, CUdevice gpu) : driver_(driver), gpu_(gpu) {
  CUcontext context = nullptr;
  driver.check(driver.contextRetain(&context, gpu), "cuDevicePrimaryCtxRetain");
  const CUresult code = driver.contextSetCurrent(context);
  if (code != kSuccess) (void)driver.contextRelease(gpu);
  driver.check(code, "cuCtxSetCurrent");
}

// Nothing could be done about a failure here; the process that could not open the device ends or goes on without it.
PrimaryContext::~PrimaryContext() { (void)driver_.contextRelease(gpu_); }

Device::Device(int index, size_t memoryLimit)
    : properties_(inspectGpu(driver_, index)),
      compiler_(toolkitMajors(driver_), properties_.capability),
      blas_(toolkitMajors(driver_)),
      context_(driver_, properties_.handle),
      memory_(driver_) {
  driver_.check(driver_.streamCreate(&stream_, kStreamNonBlocking), "cuStreamCreate");
  size_t free = 0;
  driver_.check(driver_.memoryInfo(&free, &totalMemory_), "cuMemGetInfo");
  memory_.setLimit(memoryLimit);
  staging_ = std::make_unique<Staging>(driver_, memory_, stream_);
  blas_.open();
}

size_t Device::freeMemory() {
  size_t free = 0;
  size_t total = 0;
  check(driver_.memoryInfo(&free, &total), "cuMemGetInfo");
  return free;
}

Device::Module& Device::module(const char* source) {
  const auto found = modules_.find(source);
  if (found != modules_.end()) return found->second;
  const std::vector<KernelSource>& sources = kernelSources();
  const auto text = std::find_if(sources.begin(), sources.end(), [&](const auto& each) { return std::string(each.name) == source; });
  if (text == sources.end()) throw CudaError(std::string("no kernel source is named ") + source + ".cu");
  const std::string image = compiler_.image(*text);
  Module module;
  check(driver_.moduleLoad(&module.module, image.c_str()), (std::string("cuModuleLoadData of ") + source + ".cu").c_str());
  return modules_.emplace(source, std::move(module)).first->second;
}

Kernel& Device::kernel(const char* source, const char* name) {
  Module& holder = module(source);
  const auto found = holder.kernels.find(name);
  if (found != holder.kernels.end()) return found->second;
  Kernel kernel;
  check(driver_.moduleFunction(&kernel.function, holder.module, name),
        (std::string("cuModuleGetFunction of ") + name + " in " + source + ".cu").c_str());
  const auto entry = holder.kernels.emplace(name, kernel).first;
  entry->second.name = entry->first.c_str();
  return entry->second;
}

void Device::remember(const LaunchRecord& launch) {
  if (recent_.size() == kRemembered) recent_.pop_front();
  recent_.push_back(launch);
}

void Device::check(CUresult code, const char* function) {
  if (!fault_.empty()) throw CudaError("the GPU cannot be used after an earlier fault: " + fault_);
  if (code == kSuccess) return;
  std::string text = std::string(function) + " failed: " + driver_.describe(code);
  // From 700 on the codes are faults of kernels (illegal address, assert, illegal instruction, launch failure, ...).
  if (code >= 700 && code < 720) {
    if (!recent_.empty()) {
      text += "; a kernel queued since the last read failed, last launches first:";
      for (auto launch = recent_.rbegin(); launch != recent_.rend(); ++launch) text += " " + launch->text() + ";";
      text += " REASVQA_CUDA_SYNC=1 shows which one";
    }
    fault_ = text;
  }
  throw CudaError(text);
}

void Device::synchronize() {
  check(driver_.streamSynchronize(stream_), "cuStreamSynchronize");
  recent_.clear();
  throwReportedFault();
}

}  // namespace reasvqa::cuda

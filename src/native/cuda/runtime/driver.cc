#include "cuda/runtime/driver.h"

namespace reasvqa::cuda {
namespace {

constexpr int kOldest = 12000;
constexpr CUresult kNoDevice = 100;

}  // namespace

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Driver::Driver() : library_(Library::driver()) {
  if (!library_) {
    throw CudaError("no NVIDIA driver: libcuda.so.1 cannot be loaded; install the driver (Debian: nvidia-driver, Ubuntu: "
                    "ubuntu-drivers install), or start the container with the GPU",
                    kNoDriver);
  }
  library_.bind(driverVersion, "cuDriverGetVersion");
  check(driverVersion(&version_), "cuDriverGetVersion");
  if (version_ < kOldest) {
    throw CudaError("the NVIDIA driver is too old: it supports CUDA " + versionText(version_) +
                    ", native-cuda needs 12.0; install driver 525 or newer");
  }
  // Each name is listed with the version suffix that its parameters belong to, as cuda.h does.
#define REASVQA_LOAD(member, symbol, parameters) library_.bind(member, symbol);
  REASVQA_DRIVER_FUNCTIONS(REASVQA_LOAD)
#undef REASVQA_LOAD
  library_.bind(errorName_, "cuGetErrorName");
  library_.bind(errorText_, "cuGetErrorString");
  functionParameter = reinterpret_cast<decltype(functionParameter)>(library_.symbol("cuFuncGetParamInfo"));
  const CUresult code = init(0);
  if (code == kNoDevice) {
    throw CudaError("the NVIDIA driver finds no GPU (cuInit: " + describe(code) +
                    "); check nvidia-smi and CUDA_VISIBLE_DEVICES");
  }
  check(code, "cuInit");
}

std::string Driver::describe(CUresult code) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (errorName_ == nullptr || errorName_(code, &name) != kSuccess || name == nullptr) {
    return "CUDA error " + std::to_string(code);
  }
  if (errorText_(code, &text) != kSuccess || text == nullptr) return name;
  return std::string(name) + ", " + text;
}

void Driver::check(CUresult code, const char* function) const {
  if (code != kSuccess) throw CudaError(std::string(function) + " failed: " + describe(code));
}

}  // namespace reasvqa::cuda

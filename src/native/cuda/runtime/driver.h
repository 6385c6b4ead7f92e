/**
 * The CUDA driver API: the functions in use, loaded from libcuda.so.1 by their versioned names. Types are declared
 * here so that CUDA's headers are not needed to build. Every return code goes through `check`, which makes it a CudaError that
 * names the function.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda/runtime/library.h"

namespace reasvqa::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;

constexpr CUresult kSuccess = 0;
constexpr CUresult kOutOfMemory = 2;
constexpr CUresult kNotReady = 600;

constexpr int kAttributeMultiprocessors = 16;
constexpr int kAttributeCapabilityMajor = 75;
constexpr int kAttributeCapabilityMinor = 76;
constexpr int kAttributeSharedPerBlockOptin = 97;
constexpr int kFunctionMaxDynamicShared = 8;
constexpr unsigned kEventWithoutTiming = 2;
constexpr unsigned kStreamNonBlocking = 1;

// name, symbol in the library, parameters
#define REASVQA_DRIVER_FUNCTIONS(X)                                                                                  \
  X(init, "cuInit", (unsigned))                                                                                      \
  X(driverVersion, "cuDriverGetVersion", (int*))                                                                     \
  X(deviceCount, "cuDeviceGetCount", (int*))                                                                         \
  X(deviceGet, "cuDeviceGet", (CUdevice*, int))                                                                      \
  X(deviceName, "cuDeviceGetName", (char*, int, CUdevice))                                                           \
  X(deviceAttribute, "cuDeviceGetAttribute", (int*, int, CUdevice))                                                  \
  X(contextRetain, "cuDevicePrimaryCtxRetain", (CUcontext*, CUdevice))                                               \
  X(contextRelease, "cuDevicePrimaryCtxRelease_v2", (CUdevice))                                                      \
  X(contextSetCurrent, "cuCtxSetCurrent", (CUcontext))                                                               \
  X(memoryInfo, "cuMemGetInfo_v2", (size_t*, size_t*))                                                               \
  X(memoryAllocate, "cuMemAlloc_v2", (CUdeviceptr*, size_t))                                                         \
  X(memoryFree, "cuMemFree_v2", (CUdeviceptr))                                                                       \
  X(hostAllocate, "cuMemHostAlloc", (void**, size_t, unsigned))                                                      \
  X(hostFree, "cuMemFreeHost", (void*))                                                                              \
  X(copyToDevice, "cuMemcpyHtoDAsync_v2", (CUdeviceptr, const void*, size_t, CUstream))                              \
  X(copyToHost, "cuMemcpyDtoHAsync_v2", (void*, CUdeviceptr, size_t, CUstream))                                      \
  X(copyOnDevice, "cuMemcpyDtoDAsync_v2", (CUdeviceptr, CUdeviceptr, size_t, CUstream))                              \
  X(fillBytes, "cuMemsetD8Async", (CUdeviceptr, unsigned char, size_t, CUstream))                                    \
  X(streamCreate, "cuStreamCreate", (CUstream*, unsigned))                                                           \
  X(streamDestroy, "cuStreamDestroy_v2", (CUstream))                                                                 \
  X(streamSynchronize, "cuStreamSynchronize", (CUstream))                                                            \
  X(streamWaitEvent, "cuStreamWaitEvent", (CUstream, CUevent, unsigned))                                             \
  X(eventCreate, "cuEventCreate", (CUevent*, unsigned))                                                              \
  X(eventDestroy, "cuEventDestroy_v2", (CUevent))                                                                    \
  X(eventRecord, "cuEventRecord", (CUevent, CUstream))                                                               \
  X(eventQuery, "cuEventQuery", (CUevent))                                                                           \
  X(eventSynchronize, "cuEventSynchronize", (CUevent))                                                               \
  X(moduleLoad, "cuModuleLoadData", (CUmodule*, const void*))                                                        \
  X(moduleUnload, "cuModuleUnload", (CUmodule))                                                                      \
  X(moduleFunction, "cuModuleGetFunction", (CUfunction*, CUmodule, const char*))                                     \
  X(functionSetAttribute, "cuFuncSetAttribute", (CUfunction, int, int))                                              \
  X(launchKernel, "cuLaunchKernel",                                                                                  \
    (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void**, void**))

class Driver {
 public:
  /** Loads the library and initialises it. CudaError: no driver, no GPU, or a driver older than CUDA 12.0. */
  Driver();

#define REASVQA_DECLARE(member, symbol, parameters) CUresult(*member) parameters = nullptr;
  REASVQA_DRIVER_FUNCTIONS(REASVQA_DECLARE)
#undef REASVQA_DECLARE
  /** Offset and size of a kernel's parameter; nullptr before CUDA 12.4. */
  CUresult (*functionParameter)(CUfunction, size_t, size_t*, size_t*) = nullptr;

  /** Highest CUDA version of the driver, as 1000 * major + 10 * minor. */
  int version() const { return version_; }
  /** Throws CudaError unless the code is success. */
  void check(CUresult code, const char* function) const;
  /** "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)". */
  std::string describe(CUresult code) const;

 private:
  Library library_;
  int version_ = 0;
  CUresult (*errorName_)(CUresult, const char**) = nullptr;
  CUresult (*errorText_)(CUresult, const char**) = nullptr;
};

/** "12.4" of 12040. */
std::string versionText(int version);

}  // namespace reasvqa::cuda

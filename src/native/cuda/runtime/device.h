/**
 * The CUDA device in use: one a process, opened once, with its context, memory, compute stream, kernels and cuBLASLt.
 *
 * JavaScript calls come from one thread. After a fault of a kernel the driver refuses all further work in the context;
 * the first fault is kept and repeated, because the errors that follow it say nothing.
 */
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/runtime/compiler.h"
#include "cuda/runtime/driver.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/lt.h"
#include "cuda/runtime/memory.h"
#include "cuda/runtime/staging.h"

namespace reasvqa::cuda {

struct Kernel {
  const char* name = nullptr;  // lives as long as the device
  CUfunction function = nullptr;
  uint32_t dynamicShared = 48 << 10;  // what it may ask for without an attribute
  bool checked = false;
};

/** What the driver says about a GPU. */
struct GpuProperties {
  int index = 0;
  int count = 0;  // GPUs that the driver shows
  CUdevice handle = 0;
  std::string name;
  int capability = 0;  // 10 * major + minor
  int multiprocessors = 0;
  uint32_t maxSharedBytes = 0;  // of a block
};

/** Looks GPU `index` up, without taking any of its memory. CudaError when there is none or it is too old. */
GpuProperties inspectGpu(Driver& driver, int index);

/** The primary context of a GPU: retained and made current, released when this ends. */
class PrimaryContext {
 public:
  PrimaryContext(Driver& driver, CUdevice gpu);
  ~PrimaryContext();
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;

 private:
  Driver& driver_;
  CUdevice gpu_;
};

class Device {
 public:
  /** Opens device `index`. CudaError with what is missing and how to get it. */
  Device(int index, size_t memoryLimit);

  Driver& driver() { return driver_; }
  Memory& memory() { return memory_; }
  Compiler& compiler() { return compiler_; }
  BlasLt& blas() { return blas_; }
  Staging& staging() { return *staging_; }
  CUstream stream() const { return stream_; }

  const GpuProperties& properties() const { return properties_; }
  size_t totalMemory() const { return totalMemory_; }
  size_t freeMemory();

  /** The kernel of a source, compiled and loaded at the first call. */
  Kernel& kernel(const char* source, const char* name);
  /** Remembers a launch for the text of a fault that shows up later. */
  void remember(const LaunchRecord& launch);
  /** Throws CudaError unless the code is success; a fault says which of the launches since the last wait may be its cause. */
  void check(CUresult code, const char* function);
  void synchronize();

 private:
  struct Module {
    CUmodule module = nullptr;
    std::map<std::string, Kernel, std::less<>> kernels;
  };
  Module& module(const char* source);

  Driver driver_;
  GpuProperties properties_;
  size_t totalMemory_ = 0;
  // The libraries before the context: one that is missing is found before memory of the GPU is taken.
  Compiler compiler_;
  BlasLt blas_;
  PrimaryContext context_;
  Memory memory_;
  CUstream stream_ = nullptr;
  std::unique_ptr<Staging> staging_;
  std::map<std::string, Module, std::less<>> modules_;
  std::deque<LaunchRecord> recent_;
  std::string fault_;
};

/** The device that was opened; CudaError when none was. */
Device& device();

}  // namespace reasvqa::cuda

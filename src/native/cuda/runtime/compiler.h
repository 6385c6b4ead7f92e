/**
 * Compiling kernel sources for the device present with NVRTC, and the cache of what was compiled.
 *
 * The result of a source is kept in a file named by a hash of everything it depends on: its text, the shared headers,
 * the options, the architecture and NVRTC's version. A file is written beside and renamed, and carries its length and
 * hash: a file that was cut short or damaged is compiled again. A cache that cannot be written only costs time.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda/runtime/library.h"
#include "cuda/runtime/sources.h"

namespace reasvqa::cuda {

class Compiler {
 public:
  /**
   * Loads NVRTC of one of the major versions. CudaError: none found, with the package to install.
   * `capability` is 10 * major + minor of the device: 90 for an H100.
   */
  Compiler(const std::vector<int>& majors, int capability);

  /** The image of a source for cuModuleLoadData, from the cache when it is there. CudaError with the compiler's log. */
  std::string image(const KernelSource& source);

  /** The same without the cache. */
  std::string compile(const KernelSource& source);

  /** "12.8". */
  std::string version() const;
  const std::string& libraryPath() const { return library_.path(); }
  /** "sm_90", or "compute_90" when this NVRTC is older than the device and the driver finishes the work. */
  const std::string& architecture() const { return architecture_; }
  const std::string& cacheFolder() const { return cacheFolder_; }
  uint64_t compiled() const { return compiled_; }

 private:
  using Program = struct NvrtcProgram*;

  void chooseArchitecture(int capability);
  std::string cacheKey(const KernelSource& source) const;
  void check(int code, const char* function) const;

  Library library_;
  int major_ = 0;
  int minor_ = 0;
  std::string architecture_;
  std::string cacheFolder_;
  uint64_t compiled_ = 0;

  const char* (*errorText_)(int) = nullptr;
  int (*version_)(int*, int*) = nullptr;
  int (*supportedCount_)(int*) = nullptr;
  int (*supported_)(int*) = nullptr;
  int (*create_)(Program*, const char*, const char*, int, const char* const*, const char* const*) = nullptr;
  int (*destroy_)(Program*) = nullptr;
  int (*compile_)(Program, int, const char* const*) = nullptr;
  int (*logSize_)(Program, size_t*) = nullptr;
  int (*log_)(Program, char*) = nullptr;
  int (*imageSize_)(Program, size_t*) = nullptr;
  int (*image_)(Program, char*) = nullptr;
  int (*ptxSize_)(Program, size_t*) = nullptr;
  int (*ptx_)(Program, char*) = nullptr;
};

}  // namespace reasvqa::cuda

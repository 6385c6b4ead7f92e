/**
 * Shared libraries found at run time, so that the addon is built and loaded without CUDA.
 *
 * Toolkit libraries (NVRTC, cuBLASLt) are looked for in this order: the loader's own path; /usr/local/cuda*; the `nvidia`
 * packages of the Python in VIRTUAL_ENV, CONDA_PREFIX, PYTHONPATH, of python3 on the PATH and of the user. When
 * REASVQA_CUDA_PATH is set, only its folders are used: whoever sets it wants that installation and no other.
 */
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "error.h"

namespace reasvqa::cuda {

/** Whatever goes wrong with the device, its driver or its libraries; the text is for the person at the keyboard. */
class CudaError : public DeviceError {
  using DeviceError::DeviceError;
};

/** The code of the error when there is no NVIDIA driver at all: a machine without a GPU is nothing to report. */
constexpr const char* kNoDriver = "REASVQA_NO_DRIVER";

class Library {
 public:
  Library() = default;

  explicit operator bool() const { return handle_ != nullptr; }
  /** The address of a function, or nullptr. */
  void* symbol(const char* name) const;
  /** The function as `pointer`'s type; CudaError when the library lacks it. */
  template <class Function>
  void bind(Function& pointer, const char* name) const {
    pointer = reinterpret_cast<Function>(required(name));
  }
  const std::string& path() const { return path_; }
  /** Major version in the file's name: 12 of libnvrtc.so.12. */
  int major() const { return major_; }

  /** The driver's library: in REASVQA_CUDA_PATH, else on the loader's path. Empty when there is none. */
  static Library driver();
  /**
   * The first of `<stem>.so.<major>` that loads, by the majors' order.
   *
   * Throws CudaError naming `title`, the places searched and the pip package (`<package>-cu12` for CUDA 12).
   */
  static Library toolkit(const std::string& stem, const std::vector<int>& majors, const std::string& title,
                         const std::string& package);

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  void* required(const char* name) const;
  static Library open(const std::string& path, int major);

  std::unique_ptr<void, Close> handle_;
  std::string path_;
  int major_ = 0;
};

}  // namespace reasvqa::cuda

#include "cuda/runtime/compiler.h"

#include <cstdio>

#include "cuda/runtime/kernel_cache.h"

namespace reasvqa::cuda {
namespace {

const std::vector<std::string>& commonOptions() {
  static const std::vector<std::string> options = {"--std=c++17"};
  return options;
}

}  // namespace

Compiler::Compiler(const std::vector<int>& majors, int capability)
    : library_(Library::toolkit("libnvrtc", majors, "NVRTC", "nvidia-cuda-nvrtc")), cacheFolder_(kernelCacheFolder()) {
  library_.bind(errorText_, "nvrtcGetErrorString");
  library_.bind(version_, "nvrtcVersion");
  library_.bind(supportedCount_, "nvrtcGetNumSupportedArchs");
  library_.bind(supported_, "nvrtcGetSupportedArchs");
  library_.bind(create_, "nvrtcCreateProgram");
  library_.bind(destroy_, "nvrtcDestroyProgram");
  library_.bind(compile_, "nvrtcCompileProgram");
  library_.bind(logSize_, "nvrtcGetProgramLogSize");
  library_.bind(log_, "nvrtcGetProgramLog");
  library_.bind(imageSize_, "nvrtcGetCUBINSize");
  library_.bind(image_, "nvrtcGetCUBIN");
  library_.bind(ptxSize_, "nvrtcGetPTXSize");
  library_.bind(ptx_, "nvrtcGetPTX");
  check(version_(&major_, &minor_), "nvrtcVersion");
  chooseArchitecture(capability);
}

void Compiler::check(int code, const char* function) const {
  if (code != 0) throw CudaError(std::string(function) + " failed: " + errorText_(code));
}

std::string Compiler::version() const { return std::to_string(major_) + "." + std::to_string(minor_); }

void Compiler::chooseArchitecture(int capability) {
  int count = 0;
  check(supportedCount_(&count), "nvrtcGetNumSupportedArchs");
  std::vector<int> known(static_cast<size_t>(count));
  check(supported_(known.data()), "nvrtcGetSupportedArchs");
  int best = 0;
  for (const int each : known) {
    if (each <= capability && each > best) best = each;
  }
  if (best == 0) {
    throw CudaError("NVRTC " + version() + " (" + library_.path() + ") compiles for no GPU as old as compute capability " +
                    std::to_string(capability / 10) + "." + std::to_string(capability % 10));
  }
  architecture_ = (best == capability ? "sm_" : "compute_") + std::to_string(best);
}

std::string Compiler::cacheKey(const KernelSource& source) const {
  std::string all = source.text + '\0' + architecture_ + '\0' + version();
  for (const std::string& option : commonOptions()) all += '\0' + option;
  for (const KernelSource& header : kernelHeaders()) all += '\0' + header.text;
  char digits[33];
  std::snprintf(digits, sizeof(digits), "%016llx%016llx", static_cast<unsigned long long>(hashBytes(all)),
                static_cast<unsigned long long>(hashBytes(all, 0x9e3779b97f4a7c15ull)));
  return std::string(source.name) + "-" + digits;
}

std::string Compiler::image(const KernelSource& source) {
  const std::string key = cacheKey(source);
  if (std::optional<std::string> cached = readCached(cacheFolder_, key)) return *cached;
  std::string image = compile(source);
  compiled_ += 1;
  writeCached(cacheFolder_, key, image);
  return image;
}

std::string Compiler::compile(const KernelSource& source) {
  std::vector<const char*> texts;
  std::vector<const char*> names;
  for (const KernelSource& header : kernelHeaders()) {
    texts.push_back(header.text.c_str());
    names.push_back(header.name);
  }
  // #line keeps the line numbers of the log those of the file.
  const std::string file = std::string(source.name) + ".cu";
  const std::string text = "#include \"cuda/runtime/common.cuh\"\n#line 1 \"" + file + "\"\n" + source.text;
  Program program = nullptr;
  check(create_(&program, text.c_str(), file.c_str(), static_cast<int>(texts.size()), texts.data(), names.data()),
        "nvrtcCreateProgram");
  struct Destroy {
    Compiler& compiler;
    Program& program;
    ~Destroy() { (void)compiler.destroy_(&program); }
  } const destroy{*this, program};

  std::vector<std::string> options = commonOptions();
  options.push_back("--gpu-architecture=" + architecture_);
  std::vector<const char*> pointers;
  for (const std::string& option : options) pointers.push_back(option.c_str());
  const int code = compile_(program, static_cast<int>(pointers.size()), pointers.data());
  if (code != 0) {
    size_t size = 0;
    check(logSize_(program, &size), "nvrtcGetProgramLogSize");
    std::string log(size, '\0');
    check(log_(program, log.data()), "nvrtcGetProgramLog");
    throw CudaError("the kernels of " + file + " do not compile for " + architecture_ + " with NVRTC " + version() + " (" +
                    errorText_(code) + "):\n" + log.c_str());
  }
  const bool binary = architecture_.rfind("sm_", 0) == 0;
  size_t size = 0;
  check((binary ? imageSize_ : ptxSize_)(program, &size), "nvrtcGetCUBINSize");
  std::string image(size, '\0');
  check((binary ? image_ : ptx_)(program, image.data()), "nvrtcGetCUBIN");
  return image;
}

}  // namespace reasvqa::cuda

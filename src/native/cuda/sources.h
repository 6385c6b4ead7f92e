/** The texts of the kernel sources, put into the addon by the build (embed.cmake). */
#pragma once

#include <string>
#include <vector>

namespace reasvqa::cuda {

struct KernelSource {
  const char* name;  // softmax for softmax.cu, philox.cuh for a shared header
  std::string text;
};

/** Every <name>.cu of this folder. */
const std::vector<KernelSource>& kernelSources();
/** Every shared header; common.cuh is the first. */
const std::vector<KernelSource>& kernelHeaders();

}  // namespace reasvqa::cuda

/** The texts of the kernel sources, put into the addon by the build (embed.cmake). */
#pragma once

#include <string>
#include <vector>

namespace reasvqa::cuda {

struct KernelSource {
  const char* name;  // softmax for cuda/ops/softmax.cu; a header's path, which is what texts include it by
  std::string text;
};

/** Every cuda/<room>/<name>.cu. */
const std::vector<KernelSource>& kernelSources();
/** Every header that kernel texts may include. */
const std::vector<KernelSource>& kernelHeaders();

}  // namespace reasvqa::cuda

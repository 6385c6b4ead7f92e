/** Errors about a device, which the program ends with exit code 4 (src/base/errors.ts). */
#pragma once

#include <stdexcept>
#include <string>

namespace reasvqa {

/** Out of memory, a fault of a kernel, a missing library: `code` becomes the JavaScript error's. */
class DeviceError : public std::runtime_error {
 public:
  explicit DeviceError(const std::string& message, const char* code = "REASVQA_DEVICE")
      : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

}  // namespace reasvqa

#include "cuda/runtime/kernel_cache.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace reasvqa::cuda {
namespace {

/** In front of the bytes in a file. */
struct Header {
  char magic[8] = {'R', 'V', 'Q', 'A', 'K', 'R', 'N', '1'};
  uint64_t length = 0;
  uint64_t hash = 0;
};

}  // namespace

uint64_t hashBytes(const std::string& bytes, uint64_t seed) {
  uint64_t hash = seed;
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash;
}

std::string kernelCacheFolder() {
  const struct {
    const char* variable;
    const char* below;
  } places[] = {{"REASVQA_CACHE", "/kernels"}, {"XDG_CACHE_HOME", "/reasvqa/kernels"}, {"HOME", "/.cache/reasvqa/kernels"}};
  for (const auto& place : places) {
    const char* folder = std::getenv(place.variable);
    if (folder != nullptr && *folder != '\0') return std::string(folder) + place.below;
  }
  return "";
}

std::optional<std::string> readCached(const std::string& folder, const std::string& name) {
  if (folder.empty()) return {};
  std::ifstream file(folder + "/" + name, std::ios::binary);
  if (!file) return {};
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  Header header;
  const Header expected;
  if (all.size() < sizeof(header)) return {};
  std::memcpy(&header, all.data(), sizeof(header));
  std::string bytes = all.substr(sizeof(header));
  if (std::memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0 || header.length != bytes.size() ||
      header.hash != hashBytes(bytes)) {
    return {};
  }
  return bytes;
}

void writeCached(const std::string& folder, const std::string& name, const std::string& bytes) {
  if (folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::string path = folder + "/" + name;
  const std::string temporary = path + ".tmp-" + std::to_string(getpid());
  Header header;
  header.length = bytes.size();
  header.hash = hashBytes(bytes);
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(&header), sizeof(header));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  // Renamed into place, so that another process sees a whole file or none.
  if (file) std::filesystem::rename(temporary, path, error);
  if (!file || error) std::filesystem::remove(temporary, error);
}

}  // namespace reasvqa::cuda

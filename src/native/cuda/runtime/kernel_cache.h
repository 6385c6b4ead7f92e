/** Compiled kernels on disk; see compiler.h. */
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace reasvqa::cuda {

/** 64-bit FNV-1a of bytes, continued from `seed`. */
uint64_t hashBytes(const std::string& bytes, uint64_t seed = 0xcbf29ce484222325ull);

/** REASVQA_CACHE, else XDG_CACHE_HOME/reasvqa, else ~/.cache/reasvqa; below it `kernels`. Empty when none is known. */
std::string kernelCacheFolder();

/** The bytes kept under a name; nothing when they are not there or damaged. */
std::optional<std::string> readCached(const std::string& folder, const std::string& name);

/** Keeps bytes under a name. A folder that cannot be written is no error: the next process compiles again. */
void writeCached(const std::string& folder, const std::string& name, const std::string& bytes);

}  // namespace reasvqa::cuda

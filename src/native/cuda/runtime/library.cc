#include "cuda/runtime/library.h"

#include <dlfcn.h>
#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

namespace reasvqa::cuda {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/** Where toolkit libraries are looked for, for messages. */
std::string searched() {
  const std::string chosen = variable("REASVQA_CUDA_PATH");
  if (!chosen.empty()) return "REASVQA_CUDA_PATH=" + chosen;
  return "the loader's path, /usr/local/cuda* and Python's nvidia packages";
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(':', at), list.size());
    if (end > at) parts.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

/** Existing paths of a pattern, the last in alphabetic order first: newer versions before older ones. */
std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  std::reverse(paths.begin(), paths.end());
  return paths;
}

/** Prefixes of Python installations: PREFIX/lib/python3.x/site-packages. */
std::vector<std::string> pythonPrefixes() {
  std::vector<std::string> prefixes;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (!variable(name).empty()) prefixes.push_back(variable(name));
  }
  for (const std::string& folder : split(variable("PATH"))) {
    if (access((folder + "/python3").c_str(), X_OK) == 0) prefixes.push_back(folder + "/..");
  }
  if (!variable("HOME").empty()) prefixes.push_back(variable("HOME") + "/.local");
  return prefixes;
}

/** Folders that hold Python packages. */
std::vector<std::string> packageFolders() {
  std::vector<std::string> folders = split(variable("PYTHONPATH"));
  for (const std::string& prefix : pythonPrefixes()) {
    for (const char* kind : {"/lib/python3*/site-packages", "/lib/python3*/dist-packages", "/lib/python3/dist-packages"}) {
      for (std::string& folder : matches(prefix + kind)) folders.push_back(std::move(folder));
    }
  }
  return folders;
}

/** Library folders of an installation at `root`: of the toolkit, and of Python's nvidia packages (nvidia/cu13, ...). */
void addInstallation(const std::string& root, std::vector<std::string>& folders) {
  for (const char* below : {"", "/lib64", "/lib", "/targets/*-linux/lib", "/nvidia/*/lib"}) {
    for (std::string& folder : matches(root + below)) folders.push_back(std::move(folder));
  }
}

std::vector<std::string> libraryFolders() {
  std::vector<std::string> folders;
  const std::string chosen = variable("REASVQA_CUDA_PATH");
  if (!chosen.empty()) {
    for (const std::string& root : split(chosen)) addInstallation(root, folders);
    return folders;
  }
  for (const std::string& root : matches("/usr/local/cuda*")) addInstallation(root, folders);
  for (const std::string& root : packageFolders()) {
    for (std::string& folder : matches(root + "/nvidia/*/lib")) folders.push_back(std::move(folder));
  }
  std::set<std::string> seen;
  folders.erase(std::remove_if(folders.begin(), folders.end(), [&](auto& folder) { return !seen.insert(folder).second; }),
                folders.end());
  return folders;
}

/**
 * NVRTC loads its builtins by name, which fails when they are not on the loader's path; loaded beforehand and for
 * everyone, they are found. Left loaded for the life of the process, as NVRTC itself is.
 */
void loadBuiltins(const std::string& folder, int major) {
  for (const std::string& path : matches(folder + "/libnvrtc-builtins.so." + std::to_string(major) + "*")) {
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return;
  }
}

}  // namespace

// Unloading CUDA's libraries while their threads and exit handlers are alive crashes; they stay until the process ends.
void Library::Close::operator()(void*) const {}

Library Library::open(const std::string& path, int major) {
  Library library;
  library.handle_.reset(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  library.path_ = path;
  library.major_ = major;
  return library;
}

void* Library::symbol(const char* name) const { return dlsym(handle_.get(), name); }

void* Library::required(const char* name) const {
  void* address = symbol(name);
  if (address == nullptr) throw CudaError(path_ + " has no function " + name + ": it is too old or not the real library");
  return address;
}

Library Library::driver() {
  for (const std::string& root : split(variable("REASVQA_CUDA_PATH"))) {
    Library library = open(root + "/libcuda.so.1", 1);
    if (library) return library;
  }
  return open("libcuda.so.1", 1);
}

Library Library::toolkit(const std::string& stem, const std::vector<int>& majors, const std::string& title,
                         const std::string& package) {
  const std::vector<std::string> folders = libraryFolders();
  for (const int major : majors) {
    const std::string file = stem + ".so." + std::to_string(major);
    if (variable("REASVQA_CUDA_PATH").empty()) {
      Library library = open(file, major);
      if (library) return library;
    }
    for (const std::string& folder : folders) {
      const std::string path = folder + "/" + file;
      if (access(path.c_str(), R_OK) != 0) continue;
      if (stem == "libnvrtc") loadBuiltins(folder, major);
      Library library = open(path, major);
      if (library) return library;
    }
  }
  std::string versions;
  for (const int major : majors) versions += (versions.empty() ? "" : " or ") + std::to_string(major);
  throw CudaError(title + " " + versions + " not found in " + searched() + ": pip install " + package +
                  (majors.front() == 12 ? "-cu12" : "") + ", or the CUDA toolkit; REASVQA_CUDA_PATH names another folder");
}

}  // namespace reasvqa::cuda

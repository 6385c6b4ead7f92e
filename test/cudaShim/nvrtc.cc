/**
 * libnvrtc.so.12 of the tests: builds a kernel source with the host compiler into a shared library, which is the "cubin".
 *
 * The text is changed in two places only: `extern __shared__ T name[];` becomes a pointer to the block's dynamic shared
 * memory, and behind the source every kernel gets the entry that the shim's driver calls. REASVQA_SHIM_SOURCES (set by
 * the build) is the folder of runtime.h. A variable CUDA_SHIM_NVRTC_FAIL makes every compilation fail.
 */
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

struct Program {
  std::string name;
  std::string source;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string log;
  std::string image;
};

std::string adapted(const std::string& source) {
  static const std::regex dynamic("extern\\s+__shared__\\s+(?:__align__\\(\\w+\\)\\s+|alignas\\(\\w+\\)\\s+)?([\\w ]+?)\\s+(\\w+)\\s*\\[\\s*\\]\\s*;");
  return std::regex_replace(source, dynamic, "$1* const $2 = reinterpret_cast<$1*>(shim::dynamicShared);");
}

std::string entries(const std::string& source) {
  static const std::regex kernel("__global__\\s+(?:__launch_bounds__\\s*\\([^)]*\\)\\s*)?void\\s+(?:__launch_bounds__\\s*\\([^)]*\\)\\s*)?(\\w+)\\s*\\(");
  std::set<std::string> names;
  for (std::sregex_iterator at(source.begin(), source.end(), kernel), end; at != end; ++at) names.insert((*at)[1]);
  std::string text;
  for (const std::string& name : names) text += "SHIM_KERNEL(" + name + ")\n";
  return text;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file << text;
}

int compile(Program& program, const std::string& folder) {
  for (const auto& [name, text] : program.headers) write(folder + "/" + name, adapted(text));
  write(folder + "/" + program.name, adapted(program.source));
  const char* variable = std::getenv("CXX");
  const std::string driver = variable != nullptr && *variable != '\0' ? variable : "c++";
  const std::string compiler = driver + " -std=c++17 -w -I'" +
                               folder + "' -I'" REASVQA_SHIM_SOURCES "' -x c++ '";
  const std::string log = " 2> '" + folder + "/log'";
  // Kernels may be made by macros, so their names are looked for in the preprocessed text.
  int status = std::system((compiler + folder + "/" + program.name + "' -E -P -o '" + folder + "/expanded'" + log).c_str());
  // Everything of the source is local to its library, so that two kernels of one name in two sources never meet.
  write(folder + "/module.cc", "#include \"runtime.h\"\nnamespace {\n#include \"" + program.name + "\"\n}\n" +
                                   entries(read(folder + "/expanded")));
  // An address that is no multiple of what is read or written there faults on a GPU: runtime.h reports it. Linked apart, so
  // that the compiler's own library of such checks is not asked for.
  if (status == 0) {
    status = std::system((compiler + folder + "/module.cc' -c -O1 -fPIC -fvisibility=hidden -ffp-contract=off "
                          "-fsanitize=alignment -o '" + folder + "/module.o'" + log).c_str());
  }
  if (status == 0) status = std::system((driver + " -shared '" + folder + "/module.o' -o '" + folder + "/module.so'" + log).c_str());
  program.log = read(folder + "/log");
  if (status != 0) return 6;
  program.image = read(folder + "/module.so");
  return 0;
}

}  // namespace

EXPORT const char* nvrtcGetErrorString(int code) { return code == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }
EXPORT int nvrtcVersion(int* major, int* minor) {
  *major = 12;
  *minor = 8;
  return 0;
}
EXPORT int nvrtcGetNumSupportedArchs(int* count) {
  *count = 6;
  return 0;
}
EXPORT int nvrtcGetSupportedArchs(int* known) {
  const int all[] = {80, 86, 89, 90, 100, 120};
  std::memcpy(known, all, sizeof(all));
  return 0;
}
EXPORT int nvrtcCreateProgram(Program** program, const char* source, const char* name, int headers, const char* const* texts,
                              const char* const* names) {
  *program = new Program{name, source, {}, "", ""};
  for (int i = 0; i < headers; ++i) (*program)->headers.emplace_back(names[i], texts[i]);
  return 0;
}
EXPORT int nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return 0;
}
EXPORT int nvrtcCompileProgram(Program* program, int, const char* const*) {
  if (std::getenv("CUDA_SHIM_NVRTC_FAIL") != nullptr) {
    program->log = "told to fail";
    return 6;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "cudaShim-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 11;
  const int code = compile(*program, folder);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return code;
}
EXPORT int nvrtcGetProgramLogSize(Program* program, size_t* size) {
  *size = program->log.size() + 1;
  return 0;
}
EXPORT int nvrtcGetProgramLog(Program* program, char* log) {
  std::memcpy(log, program->log.c_str(), program->log.size() + 1);
  return 0;
}
EXPORT int nvrtcGetCUBINSize(Program* program, size_t* size) {
  *size = program->image.size();
  return 0;
}
EXPORT int nvrtcGetCUBIN(Program* program, char* image) {
  std::memcpy(image, program->image.data(), program->image.size());
  return 0;
}
EXPORT int nvrtcGetPTXSize(Program* program, size_t* size) { return nvrtcGetCUBINSize(program, size); }
EXPORT int nvrtcGetPTX(Program* program, char* image) { return nvrtcGetCUBIN(program, image); }

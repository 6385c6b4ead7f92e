# Writes OUTPUT, the C++ source of sources.h, from the kernel texts in FOLDER. String literals are cut into pieces because
# compilers limit their length (C++ promises 65536 characters).
set(PIECE 8000)

function(literal file result)
  file(READ "${file}" text)
  string(LENGTH "${text}" length)
  set(pieces "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} ${PIECE} piece)
    string(APPEND pieces "    text += R\"reasvqa(${piece})reasvqa\";\n")
    math(EXPR at "${at} + ${PIECE}")
  endwhile()
  set(${result} "${pieces}" PARENT_SCOPE)
endfunction()

function(list_of function files result)
  set(body "")
  foreach(file IN LISTS files)
    get_filename_component(name "${file}" NAME)
    string(REGEX REPLACE "\\.cu$" "" name "${name}")
    literal("${file}" pieces)
    string(APPEND body "  {\n    std::string text;\n${pieces}    list.push_back({\"${name}\", text});\n  }\n")
  endforeach()
  set(${result} "const std::vector<KernelSource>& ${function}() {
  static const std::vector<KernelSource> sources = [] {
  std::vector<KernelSource> list;
${body}  return list;
  }();
  return sources;
}
" PARENT_SCOPE)
endfunction()

file(GLOB sources "${FOLDER}/*.cu")
file(GLOB headers "${FOLDER}/*.cuh")
list(REMOVE_ITEM headers "${FOLDER}/common.cuh")
list_of(kernelSources "${sources}" sources_body)
list_of(kernelHeaders "${FOLDER}/common.cuh;${headers}" headers_body)
file(WRITE "${OUTPUT}" "#include \"cuda/sources.h\"

namespace reasvqa::cuda {

${sources_body}
${headers_body}
}  // namespace reasvqa::cuda
")

# Writes OUTPUT, the C++ source of sources.h, from the kernel texts TEXTS (paths from src/native). String literals are cut
# into pieces because compilers limit their length (C++ promises 65536 characters).
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
    set(name "${file}")
    if(name MATCHES "\\.cu$")
      get_filename_component(name "${file}" NAME_WE)
    endif()
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

set(sources ${TEXTS})
list(FILTER sources INCLUDE REGEX "\\.cu$")
set(headers ${TEXTS})
list(FILTER headers EXCLUDE REGEX "\\.cu$")
list_of(kernelSources "${sources}" sources_body)
list_of(kernelHeaders "${headers}" headers_body)
file(WRITE "${OUTPUT}" "#include \"cuda/runtime/sources.h\"

namespace reasvqa::cuda {

${sources_body}
${headers_body}
}  // namespace reasvqa::cuda
")

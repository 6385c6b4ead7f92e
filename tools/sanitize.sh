#!/bin/sh
# Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer and runs the native tests on it: every kernel with
# every instruction set of this CPU, one and two threads. Exit code 0 when nothing was found, 77 when the compiler has no
# run-time library for it.
#
#   tools/sanitize.sh [test files or folders, default: test/native and test/engine/kernels.test.ts]
set -eu
cd "$(dirname "$0")/.."

compiler=${CXX:-c++}
for library in libasan.so libubsan.so; do
  case $($compiler -print-file-name=$library) in
    /*) ;;
    *) echo "sanitize: $compiler has no $library" >&2; exit 77 ;;
  esac
done

build=build/sanitize
headers="$PWD/node_modules/node-api-headers/include;$PWD/node_modules/node-addon-api"
generator=$(command -v ninja >/dev/null && echo Ninja || echo 'Unix Makefiles')
cmake -S src/native -B "$build" -G "$generator" -DREASVQA_SANITIZE=ON "-DNAPI_INCLUDE_DIRS=$headers" >/dev/null
cmake --build "$build" --parallel "$(nproc)" >"$build/log" || { cat "$build/log"; exit 1; }

# Node is not instrumented, so the run-time library has to be there before it starts. Leaks are not looked for: Node keeps
# memory until it exits; the tests check the pool's own counters instead.
export LD_PRELOAD="$($compiler -print-file-name=libasan.so) $($compiler -print-file-name=libubsan.so)"
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0:halt_on_error=1:abort_on_error=0:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export REASVQA_ADDON="$PWD/$build/reasvqa.node"
[ $# -gt 0 ] || set -- test/native test/engine/kernels.test.ts
exec node node_modules/vitest/vitest.mjs run --config test/vitest.config.ts "$@"

#!/usr/bin/env bash
# Sets up the engine `tensorflow` against a TensorFlow that is on this machine: installs @tensorflow/tfjs-node from npm
# without its download and builds its C++ binding. Everything lands in build/tensorflow; when a step fails, what was
# there before is there again. A call that finds nothing to do says so.
#
#   tools/setup-tensorflow.sh --python PYTHON [--gpu]          a Python that has tensorflow (CUDA) or tensorflow_cpu
#   tools/setup-tensorflow.sh --libtensorflow FOLDER [--gpu]   a folder with include/tensorflow/c and lib/libtensorflow.so
#
# --gpu installs @tensorflow/tfjs-node-gpu instead: the same code, with which a run without a GPU is an error.
# The library is used where it is: after moving or updating it, run this again.
# Exit codes: 0 done, 2 wrong options, 4 something is missing or does not fit.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=$root/build/tensorflow
version=4.22.0
# The TensorFlow that tfjs-node 4.22.0 was written for; its C API has only grown since.
oldest=2.9

say() { printf 'setup-tensorflow: %s\n' "$*" >&2; }
stop() { say "$*"; exit 4; }
usage() { say "$*; see tools/setup-tensorflow.sh --help"; exit 2; }

python='' folder='' package=@tensorflow/tfjs-node
while [ $# -gt 0 ]; do
  case $1 in
    --python | --libtensorflow)
      [ $# -ge 2 ] || usage "$1: expected a path after it"
      case $1 in --python) python=$2 ;; *) folder=$2 ;; esac
      shift 2 ;;
    --gpu) package=@tensorflow/tfjs-node-gpu; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) usage "$1: unknown option" ;;
  esac
done
[ -n "$python" ] || [ -n "$folder" ] || usage 'expected --python PYTHON or --libtensorflow FOLDER'
[ -z "$python" ] || [ -z "$folder" ] || usage 'expected one of --python and --libtensorflow, not both'

# What the build needs, checked before anything is made.
[ "$(uname -s)" = Linux ] || stop 'builds on Linux only; use the engine native-cpu here'
for tool in node npm; do
  command -v "$tool" >/dev/null || stop "$tool not found: install Node.js 20.19 or newer"
done
compiler=${CXX:-c++}
command -v "$compiler" >/dev/null || stop "$compiler not found: install a C++ compiler (Debian and Ubuntu: apt install g++)"
module() { # folder of an npm package: in node_modules here, or above where npm installed this package
  local at=$root
  while [ ! -d "$at/node_modules/$1" ]; do
    [ "$at" != / ] || return 1
    at=$(dirname "$at")
  done
  printf '%s' "$at/node_modules/$1"
}
headers=$(module node-api-headers)/include || stop "node-api-headers is not installed: run npm ci in $root first"
[ -f "$headers/node_api.h" ] || stop "$headers: no node_api.h; run npm ci in $root first"
mkdir -p "$root/build" 2>/dev/null && [ -w "$root/build" ] ||
  stop "$root/build: cannot be written to; install reasvqa in a project of your own"

work=$(mktemp -d)
staging=$root/build/tensorflow.new
undo() {
  local code=$?
  rm -rf "$work" "$staging"
  # Replacing is two renames: between them only the old one exists.
  if [ -d "$target.old" ]; then
    if [ -d "$target" ]; then rm -rf "$target.old"; else mv "$target.old" "$target"; fi
  fi
  [ "$code" -eq 0 ] || say 'nothing was changed'
  exit "$code"
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Where headers and libraries are, and which version they say they are.
find_python() {
  command -v "$python" >/dev/null || stop "--python $python: no such program"
  "$python" - >"$work/python" 2>"$work/python.log" <<'PY' || stop "--python $python: import tensorflow failed ($(tail -n 1 "$work/python.log")); install one with: $python -m pip install tensorflow_cpu"
import tensorflow
info = tensorflow.sysconfig.get_build_info()
print(tensorflow.__version__)
print(tensorflow.sysconfig.get_include())
print(tensorflow.sysconfig.get_lib())
print("cuda" if info.get("is_cuda_build") else "cpu")
PY
  { read -r claimed; read -r include; read -r lib; read -r kind; } <"$work/python"
  [ "$package" != @tensorflow/tfjs-node-gpu ] || [ "$kind" = cuda ] ||
    stop "--gpu: the TensorFlow of $python was built without CUDA; install the package tensorflow there, or leave --gpu out"
}
find_folder() {
  [ -d "$folder" ] || stop "--libtensorflow $folder: no such folder"
  folder=$(cd "$folder" && pwd)
  include=$folder/include lib=$folder/lib claimed=''
}
library() { # of several names, the first that exists
  local name
  for name in "$@"; do
    if [ -e "$lib/$name" ]; then printf '%s' "$lib/$name"; return; fi
  done
  stop "$lib: no $1; expected the libraries of TensorFlow $oldest or newer there"
}
if [ -n "$python" ]; then find_python; else find_folder; fi
for header in c/c_api.h c/eager/c_api.h core/platform/ctstring_internal.h; do
  [ -f "$include/tensorflow/$header" ] ||
    stop "$include: no tensorflow/$header; expected the C headers of TensorFlow $oldest or newer there"
done
main=$(library libtensorflow.so.2 libtensorflow_cc.so.2 libtensorflow.so)
framework=$(library libtensorflow_framework.so.2 libtensorflow_framework.so)
link=("$main" "$framework" "-Wl,-rpath,$lib")

# The version that counts is the library's own answer; asking also shows that it loads.
cat >"$work/version.c" <<'C'
#include <stdio.h>
const char *TF_Version(void);
int main(void) { return puts(TF_Version()) < 0; }
C
"$compiler" -x c "$work/version.c" -x none "${link[@]}" -o "$work/version" 2>"$work/log" ||
  stop "$main: cannot be linked ($(tail -n 1 "$work/log"))"
found=$("$work/version" 2>"$work/log") || stop "$main: cannot be loaded ($(tail -n 1 "$work/log"))"
[ -z "$claimed" ] || [ "$claimed" = "$found" ] ||
  stop "$python says TensorFlow $claimed, and $main says $found: two installations are mixed; use a fresh Python environment"
[ "$(printf '%s\n' "$oldest" "$found" | sort -V | head -n 1)" = "$oldest" ] ||
  stop "TensorFlow $found is too old: expected $oldest or newer"

stamp="$package $version
TensorFlow $found
$(stat -L -c '%n %s %Y' "$main" "$framework")
Node-API headers $(node -p "require('$headers/../package.json').version")"
binary=$target/node_modules/$package/lib/napi-v8/tfjs_binding.node
if [ -f "$binary" ] && [ "$(cat "$target/stamp" 2>/dev/null)" = "$stamp" ]; then
  say "up to date: $package $version on TensorFlow $found"
  exit 0
fi

say "installing $package $version (npm, about 300 MB)"
rm -rf "$staging"
mkdir -p "$staging"
printf '{ "private": true }\n' >"$staging/package.json"
npm install --prefix "$staging" --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$version" \
  >"$work/log" 2>&1 || stop "npm install $package@$version failed: $(grep -m 1 'npm error' "$work/log" || tail -n 1 "$work/log")"
# Without copies of its own it finds this project's, so that one TensorFlow.js serves both.
for shared in tfjs-core tfjs-layers tfjs-backend-cpu; do
  module "@tensorflow/$shared" >"$work/module" || stop "@tensorflow/$shared is not installed: run npm ci in $root first"
  rm -rf "$staging/node_modules/@tensorflow/$shared"
done

say "building its binding against TensorFlow $found in $lib"
source=$staging/node_modules/$package
mkdir -p "$source/lib/napi-v8"
"$compiler" -std=c++17 -O2 -shared -fPIC -DNAPI_VERSION=8 -I"$headers" -I"$include" \
  "$source/binding/tfjs_backend.cc" "$source/binding/tfjs_binding.cc" "${link[@]}" \
  -o "$source/lib/napi-v8/tfjs_binding.node" >"$work/log" 2>&1 ||
  stop "building failed: $(grep -m 1 -E 'error|undefined' "$work/log" || tail -n 1 "$work/log")"

say 'trying it'
TF_CPP_MIN_LOG_LEVEL=2 node -e '
  const tf = require(process.argv[1]);
  const core = require(process.argv[2]);
  if (tf.engine() !== core.engine()) throw new Error("it does not share the tfjs-core of this project");
  const [sum] = tf.matMul([[1, 2]], [[3], [4]]).dataSync();
  if (sum !== 11) throw new Error(`a product gave ${sum}, expected 11`);
' "$source" "$(module @tensorflow/tfjs-core)" >"$work/log" 2>&1 ||
  stop "the binding was built but does not work: $(grep -m 1 -E '^[A-Za-z]*Error' "$work/log" || tail -n 1 "$work/log")"

printf '%s\n' "$stamp" >"$staging/stamp"
if [ -d "$target" ]; then mv "$target" "$target.old"; fi
mv "$staging" "$target"
say "done: $package $version on TensorFlow $found; use it with --engine tensorflow"

#!/bin/sh
# Makes a folder that tools/gpu/run.sh runs from on a bare Linux machine with an NVIDIA driver: Node, the bundled
# program, the addon and its sources, tfjs's own tests and the project's, two small reference checkpoints, benches. At
# most 60 MiB.
#
#   tools/gpu/pack.sh FOLDER [REFERENCE]
#
# REFERENCE is a folder for `weights check` in f32 (default: test/fixtures/reference).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
out=$1
reference=${2:-$root/test/fixtures/reference}
[ ! -e "$out" ] || { echo "pack: $out exists already; name a new folder" >&2; exit 2; }

reference=$(cd "$reference" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)

cd "$root"
node tools/build-addon.mjs
node node_modules/typescript/bin/tsc -p src
mkdir -p "$out/build/Release" "$out/tools" "$out/src" "$out/reference" "$out/referenceBf16" "$out/node_modules"
node tools/gpu/bundle.mjs "$out"
node tools/conformance.mjs --engine native-cuda --bundle "$out/conformance.cjs"
# dist/commands/cli.js reads the version from ../package.json.
cp package.json "$out/"
cp package.json "$out/dist/"
[ ! -f tools/conformance-skip.json ] || cp tools/conformance-skip.json "$out/tools/"
cp tools/gpu/run.sh "$out/"
cp tools/gpu/cli.mjs "$out/tools/reasvqa.mjs"
cp -R bench "$out/bench" && rm -rf "$out/bench/speed/results"
cp "$reference"/* "$out/reference/"
cp test/fixtures/referenceBf16/* "$out/referenceBf16/"
cp build/Release/reasvqa.node "$out/build/Release/"
cp -R src/native "$out/src/native"
for package in node-api-headers node-addon-api jasmine-core; do
  cp -R "node_modules/$package" "$out/node_modules/$package"
done
# Level 6: with -9 it takes three times as long and is 0.2 MiB smaller.
gzip -c "$(node -p process.execPath)" > "$out/node.gz"

size=$(du -sm "$out" | cut -f1)
echo "$out: $size MiB"
[ "$size" -le 60 ] || { echo "pack: more than 60 MiB" >&2; exit 1; }

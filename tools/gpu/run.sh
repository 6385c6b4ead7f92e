#!/bin/sh
# Runs everything that needs a GPU, from a folder that tools/gpu/pack.sh made, and keeps the results as JSON in results/.
# Needs an NVIDIA driver, NVRTC and cuBLASLt (the CUDA toolkit, or the nvidia packages of a Python on the PATH); with
# PYTHON set to a Python that has torch, transformers and peft the benches measure PyTorch in the same run.
#
#   ./run.sh [WORKLOAD]      default: bench/workloads/small.json
#
# Exit code 0 when every step passed; a step that fails is said and the next one runs.
set -u
cd "$(dirname "$0")"
workload=${1:-bench/workloads/small.json}
python=${PYTHON:-}
[ -x node ] || { gunzip -c node.gz > node.tmp && chmod +x node.tmp && mv node.tmp node; } || exit 1
export REASVQA_ADDON="$PWD/build/Release/reasvqa.node"
export REASVQA_CACHE="${REASVQA_CACHE:-$PWD/cache}"
[ -z "$python" ] || export PEER_PYTHON="$python"
mkdir -p results
failed=0

# step NAME COMMAND...: its stdout is results/NAME.json
step() {
  name=$1
  shift
  echo "== $name" >&2
  if "$@" > "results/$name.json.tmp"; then
    mv "results/$name.json.tmp" "results/$name.json"
  else
    echo "== $name FAILED (exit code $?), what it printed is in results/$name.failed" >&2
    mv "results/$name.json.tmp" "results/$name.failed"
    failed=$((failed + 1))
  fi
}
reasvqa() { ./node -e 'import("./dist/commands/cli.js").then((m) => m.main(process.argv.slice(1))).then((code) => { process.exitCode = code; })' -- "$@"; }

step doctor reasvqa doctor --engine native-cuda --json
step conformance ./node tools/conformance.mjs --engine native-cuda --run conformance.cjs --json results/conformance-all.json
step check-f32 reasvqa weights check reference --engine native-cuda --json
step check-bf16 reasvqa weights check reference --engine native-cuda --precision bf16 --json
step gemm reasvqa bench gemm --engine native-cuda --workload "$workload" --json
for features in live cached; do
  step "train-step-$features" reasvqa bench train-step --engine native-cuda --workload "$workload" --features $features --json
done
step decode reasvqa bench decode --engine native-cuda --workload "$workload" --json

echo "$failed steps failed; results in $PWD/results" >&2
[ "$failed" -eq 0 ]

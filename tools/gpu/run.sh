#!/bin/sh
# Runs everything that needs a GPU, from a folder that tools/gpu/pack.sh made, and keeps the results as JSON in results/.
# Needs an NVIDIA driver, NVRTC and cuBLASLt (the CUDA toolkit, or the nvidia packages of a Python on the PATH); with
# PYTHON set to a Python that has torch, transformers and peft the benches measure PyTorch in the same run.
#
#   ./run.sh [WORKLOAD.json] [STEP...]
#
# WORKLOAD.json: sizes for the benches (default: bench/speed/workloads/small.json). STEP: only these (default: all), of
#   doctor conformance tests check-f32 check-bf16 learn-f32 learn-bf16
#   gemm ops train-step-live train-step-cached decode load memory memory-limit
# The steps from gemm on measure frozen weights in bf16, ops apart; memory-limit trains with recomputation in
# GPU_MEMORY (22GiB).
# TESTS (default: all) is a part of the paths of test files, such as ops/linear, to run only those; LEARN_STEPS (50)
# and MEMORY_STEPS (200) say for how many steps learn and memory train.
#
# Exit code 0 when every step passed; a step that fails is said, the next one runs, and what failed is said at the end.
set -u
cd "$(dirname "$0")" || exit 1
all="doctor conformance tests check-f32 check-bf16 learn-f32 learn-bf16 gemm ops train-step-live train-step-cached decode load memory memory-limit"
workload=bench/speed/workloads/small.json
case ${1:-} in *.json)
  workload=$1
  shift
  ;;
esac
for name in "$@"; do
  case " $all " in *" $name "*) ;; *)
    echo "run: there is no step $name; the steps are $all (a workload ends in .json and comes first)" >&2
    exit 2
    ;;
  esac
done

[ -x node ] || { gunzip -c node.gz > node.tmp && chmod +x node.tmp && mv node.tmp node; } || exit 1
export REASVQA_ADDON="$PWD/build/Release/reasvqa.node"
export REASVQA_CACHE="${REASVQA_CACHE:-$PWD/cache}"
# The tests use the GPU, not an emulated one.
export REASVQA_TEST_GPU=1
[ -z "${PYTHON:-}" ] || export PEER_PYTHON="$PYTHON"
mkdir -p results

# What a step runs; its stdout is the result, unless it writes $json itself.
run() {
  case $1 in
    doctor) reasvqa doctor --engine native-cuda --json ;;
    conformance)
      ./node tools/conformance.mjs --engine native-cuda --run conformance.cjs --json "$json" >&2 ;;
    tests) ./node test/run.mjs --json "$json" ${TESTS:+"$TESTS"} >&2 ;;
    check-f32) reasvqa weights check reference --engine native-cuda --json ;;
    check-bf16) reasvqa weights check referenceBf16 --engine native-cuda --precision bf16 --json ;;
    learn-*) bench learn --precision "${1#learn-}" --steps "${LEARN_STEPS:-50}" ;;
    train-step-*) bench train-step --precision bf16 --features "${1#train-step-}" ;;
    load) bench load --precision bf16 --repeats 3 --warmup 1 ;;
    memory) bench memory --precision bf16 --steps "${MEMORY_STEPS:-200}" ;;
    memory-limit)
      bench learn --precision bf16 --recompute --gpu-memory "${GPU_MEMORY:-22GiB}" --steps 10 ;;
    ops) bench ops ;;
    *) bench "$1" --precision bf16 ;;
  esac
}
reasvqa() { ./node tools/reasvqa.mjs "$@"; }
bench() { reasvqa bench "$@" --engine native-cuda --workload "$workload" --json; }

failed=
[ $# -gt 0 ] || set -- $all
for name in "$@"; do
  echo "== $name" >&2
  rm -f "results/$name.json" "results/$name.failed.json"
  json=results/$name.tmp
  if run "$name" > "$json"; then
    mv "$json" "results/$name.json"
  else
    echo "== $name FAILED (exit code $?), what it came to is in results/$name.failed.json" >&2
    mv "$json" "results/$name.failed.json"
    failed="$failed $name"
  fi
done

if [ -n "$failed" ]; then
  echo "failed:$failed; results in $PWD/results" >&2
  exit 1
fi
echo "every step passed; results in $PWD/results" >&2

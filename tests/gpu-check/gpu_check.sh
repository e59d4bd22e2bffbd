#!/usr/bin/env bash
# gpu_check.sh LIBRARY [--emulated]: the tests and benchmarks of the CUDA backend on cuda:0 of this machine, after ./build.sh native and managed.
# LIBRARY is the CUDA library to test. Writes gpu-report.md; fails if a test does. --emulated runs a few of the tests on the emulated device,
# to try this check itself. NQ_GPU_REPORT, NQ_GPU_RESULTS and NQ_GPU_CLI name the report, the folder of outputs and the command line.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
export NATIVEQUANT_CUDA_LIBRARY=$1
emulated=${2:-}
readonly PROGRAMS=build/release/tests/cuda-emulation RESULTS=${NQ_GPU_RESULTS:-artifacts/gpu-check} REPORT=${NQ_GPU_REPORT:-gpu-report.md}
# Those need an emulated driver: they ask it to fail.
readonly DRIVER_TESTS=(availability failures memory steps)
# Programs of the C ABI's tests that take another device.
readonly ABI_PROGRAMS=(golden_test transformer_test attention_test)

say() { printf "\n==> %s (%d s)\n" "$*" "$SECONDS"; }
report() { printf '%s\n' "$*" >>"$REPORT"; }

if [[ $emulated == --emulated ]]; then
    export NATIVEQUANT_CUDA_DRIVER=$PWD/$PROGRAMS/libnq_emulated_cuda_simt.so NQ_CHECKED_BUILD=1
fi

doctor=$("${NQ_GPU_CLI:-artifacts/cli/nativequant}" doctor)
if grep -q "^gpu  *none" <<<"$doctor"; then
    echo "gpu-check: there is no CUDA device to check: $(sed -n 's/^gpu  *none: //p' <<<"$doctor")" >&2
    exit 1
fi

mkdir -p "$RESULTS"
printf '# CUDA backend on a device\n\n' >"$REPORT"
report "Written by \`./build.sh gpu-check${emulated:+ $emulated}\` on $(date -u +%F), revision $(git rev-parse --short HEAD)."
[[ -z $emulated ]] || report "" "An emulated device: this says nothing about speed."
report "" '```' "$(grep -E '^(cuda:|gpu)' <<<"$doctor")" '```' "" "## Tests" "" "| what | result |" "|---|---|"

failed=0
# run NAME COMMAND...: a line of the report; the output goes to a file.
run() {
    local name=$1 log=$RESULTS/${1// /_}.log result=passed
    shift
    say "$name"
    "$@" >"$log" 2>&1 || { result="**failed**, see $log"; failed=1; tail -n 20 "$log"; }
    local count
    count=$(grep -oE '^\[  PASSED  \] [0-9]+ tests?' "$log" | tail -n 1 | tr -dc 0-9 || true)
    report "| $name | $result${count:+, $count tests} |"
}

is_driver_test() {
    local each
    for each in "${DRIVER_TESTS[@]}"; do [[ $1 != "cuda_${each}_test" ]] || return 0; done
    return 1
}

# The kernel tests, on what they call cuda:0.
kernel_programs() {
    local program
    for program in "$PROGRAMS"/cuda_*_test; do is_driver_test "$(basename "$program")" || echo "$program"; done
}

for program in $(kernel_programs); do
    [[ $emulated != --emulated || $program == *elementwise* || $program == *formats* ]] || continue
    run "$(basename "$program")" "$program"
done
if [[ $emulated != --emulated ]]; then
    for program in "${ABI_PROGRAMS[@]}"; do
        run "$program on cuda:0" env NATIVEQUANT_TEST_DEVICE=cuda:0 "build/release/native/tests/$program" "--gtest_filter=*/cuda0:TensorContract.*"
    done
    run "sample model" env NATIVEQUANT_TEST_DEVICE=cuda:0 dotnet test tests/NativeQuant.Models.Tests -c Release --no-build --nologo --filter CudaModelTests
    if command -v compute-sanitizer >/dev/null; then
        for tool in memcheck racecheck initcheck synccheck; do
            for program in $(kernel_programs); do
                run "$tool $(basename "$program")" env NATIVEQUANT_CUDA_EXACT_MEMORY=1 NQ_CHECKED_BUILD=1 \
                    compute-sanitizer --tool "$tool" --error-exitcode 1 "$program"
            done
        done
    else
        report "| compute-sanitizer | skipped: not found |"
    fi
fi
# Their kernels are beside the library's.
[[ $emulated != --emulated ]] || export NATIVEQUANT_CUDA_DRIVER=$PWD/$PROGRAMS/libnq_emulated_cuda_lab.so
run "kernel lab" build/release/kernel_lab

say "benchmarks"
report "" "## Speed" ""
cuda_bench=(build/release/cuda_bench)
[[ $emulated != --emulated ]] || cuda_bench+=(--short)
if "${cuda_bench[@]}" >"$RESULTS/bench.md"; then
    cat "$RESULTS/bench.md" >>"$REPORT"
else
    report "**failed**"
    failed=1
fi
say "$REPORT"
cat "$REPORT"
exit $failed

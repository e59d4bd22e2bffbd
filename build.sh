#!/usr/bin/env bash
# Builds, tests and packs NativeQuant. `./build.sh help` lists the verbs; each is a thin call of CMake presets and dotnet.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 MSBUILDDISABLENODEREUSE=1

readonly REQUIRED_PACKAGES=(binutils clang-14 cmake g++ libbenchmark-dev libgtest-dev ninja-build)
readonly OPTIONAL_PACKAGES=(libclang1-14 qemu-user) # the binding generator; the test that runs the library on a baseline processor
readonly PEER_PACKAGES=(libdnnl-dev)
readonly FORMAT_PACKAGES=(clang-format-14)
readonly RESULTS=artifacts/test-results
readonly BENCHMARKS=artifacts/benchmarks
readonly SAMPLE=samples/models/tiny-llama

say() { printf "\n==> %s (%d s)\n" "$*" "$SECONDS"; }
fail() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# ---- setup -------------------------------------------------------------------------------------------------------------

setup() {
    require_dotnet
    install_packages required "${REQUIRED_PACKAGES[@]}"
    # Once, so that a system that does not have them is not asked again in every build.
    [[ -e build/optional-packages-asked-for ]] || install_packages optional "${OPTIONAL_PACKAGES[@]}"
    mkdir -p build && touch build/optional-packages-asked-for
}

require_dotnet() {
    command -v dotnet >/dev/null || fail "the .NET SDK 10 is missing; install it (package dotnet-sdk-10.0, or see https://dot.net) and run again."
    dotnet --version >/dev/null || fail "no .NET SDK fits global.json; install the .NET SDK 10 and run again."
}

# install_packages required|optional NAME...: installs the Debian packages that are missing; does nothing when none is.
install_packages() {
    local kind=$1 missing=() name
    shift
    if ! command -v dpkg-query >/dev/null; then
        require_tools
        return
    fi
    for name in "$@"; do
        [[ $(dpkg-query -W -f='${Status}' "$name" 2>/dev/null) == "install ok installed" ]] || missing+=("$name")
    done
    [[ ${#missing[@]} -eq 0 ]] && return
    say "setup: installing ${missing[*]}"
    local root=()
    [[ $EUID -eq 0 ]] || root=(sudo)
    update_package_index "${root[@]}"
    if [[ $kind == optional ]]; then
        for name in "${missing[@]}"; do
            "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$name" \
                || echo "setup: $name is not to be had here; the tests that need it will be skipped"
        done
    else
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
            || fail "could not install ${missing[*]}; install them by hand and run again."
    fi
}

PACKAGE_INDEX_UPDATED=0
update_package_index() {
    [[ $PACKAGE_INDEX_UPDATED -eq 1 ]] && return
    "$@" apt-get update -q || echo "setup: the package index could not be updated; using the one that is here"
    PACKAGE_INDEX_UPDATED=1
}

# Without Debian's package manager the tools must already be there.
require_tools() {
    local tool
    for tool in cmake ninja g++ nm objdump; do
        command -v "$tool" >/dev/null \
            || fail "$tool is missing. This system has no dpkg, so install by its own means: CMake >= 3.25, Ninja, g++ >= 12, binutils, GoogleTest, Google Benchmark, and optionally libclang 14 and qemu-user."
    done
}

# ---- build -------------------------------------------------------------------------------------------------------------

native() { build_native "${1:-release}"; }

# build_native PRESET [WRAPPER...]: configures once, then builds what changed.
build_native() {
    local preset=$1
    shift
    say "native: preset $preset"
    cmake --preset "$preset" | tail -n 1
    "$@" cmake --build --preset "$preset"
}

managed() {
    say "managed: restoring and building NativeQuant.sln"
    restore
    dotnet build NativeQuant.sln -c Release --no-restore -v quiet
    dotnet publish managed/NativeQuant.Cli -c Release --no-build -v quiet -o artifacts/cli
    ln -sf NativeQuant.Cli artifacts/cli/nativequant
    echo "command line: artifacts/cli/nativequant"
}

# In CI the lock files must be right; elsewhere restore may bring them up to date.
restore() {
    if [[ ${CI:-} == true ]]; then
        dotnet restore NativeQuant.sln -v quiet --locked-mode
    else
        dotnet restore NativeQuant.sln -v quiet
    fi
}

bindings() {
    say "bindings: regenerating from native/include/nativequant/nativequant.h"
    dotnet run -c Release --project bindings/NativeQuant.BindingGenerator -- "$@"
}

sample() {
    say "sample: $SAMPLE in every format"
    artifacts/cli/nativequant compare "$SAMPLE" --text "$SAMPLE/own-text.txt"
}

all() {
    setup
    native
    managed
    sample
}

# With machine code in the CUDA library where nvcc is there, else with PTX.
pack() {
    native
    managed
    local nvcc
    if nvcc=$(find_nvcc); then
        build_cuda "$nvcc"
        make_packages -p:CudaOutput="$PWD/build/cuda/native/"
    else
        make_packages
    fi
}

make_packages() {
    say "pack: artifacts/packages"
    rm -rf artifacts/packages
    dotnet pack NativeQuant.sln -c Release --no-build -v quiet -o artifacts/packages "$@"
    ls -1s --block-size=K artifacts/packages
}

# ---- test --------------------------------------------------------------------------------------------------------------

PASSED=0 FAILED=0 SKIPPED=0

run_tests() {
    setup
    native
    managed
    make_packages
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    test_native
    local project
    export NATIVEQUANT_PACKAGES=$PWD/artifacts/packages
    for project in tests/*.Tests/*.csproj; do test_managed "$project"; done
    list_skipped
    printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
    [[ $FAILED -eq 0 ]]
}

test_native() {
    say "test: native"
    local report=$PWD/$RESULTS/native.xml status=0
    ctest --preset release --output-junit "$report" --parallel "$(nproc)" >"$RESULTS/native.log" 2>&1 || status=$?
    [[ $status -eq 0 ]] || grep -vE " (Passed|Start +[0-9]+:) " "$RESULTS/native.log" || true
    local suite tests failures skipped
    suite=$(grep -A8 -m1 '<testsuite ' "$report" 2>/dev/null || true)
    tests=$(attribute tests "$suite") failures=$(attribute failures "$suite")
    skipped=$(($(attribute skipped "$suite") + $(attribute disabled "$suite")))
    count native "$status" $((tests - failures - skipped)) "$failures" "$skipped"
}

test_managed() {
    local project=$1 name status=0
    name=$(basename "$project" .csproj)
    say "test: $name"
    dotnet test "$project" -c Release --no-build --nologo -v quiet --results-directory "$RESULTS" \
        --logger "trx;LogFileName=$name.trx" --logger "console;verbosity=minimal" || status=$?
    local counters executed passed
    counters=$(grep -m1 '<Counters ' "$RESULTS/$name.trx" 2>/dev/null || true)
    executed=$(attribute executed "$counters") passed=$(attribute passed "$counters")
    count "$name" "$status" "$passed" $((executed - passed)) $(($(attribute total "$counters") - executed))
}

# attribute NAME XML: the number in NAME="...", 0 when there is none.
attribute() {
    local value
    value=$(grep -o -m1 "\b$1=\"[0-9]*\"" <<<"$2" | head -n 1 | tr -dc 0-9) || true
    echo "${value:-0}"
}

# count NAME STATUS PASSED FAILED SKIPPED: adds to the sums. A run that failed without a failed test, or ran nothing, is itself a failure.
count() {
    local name=$1 status=$2 passed=$3 failed=$4 skipped=$5
    if [[ $failed -eq 0 && $status -ne 0 ]]; then
        echo "$name: the run ended with status $status"
        failed=1
    elif [[ $((passed + failed + skipped)) -eq 0 ]]; then
        echo "$name: no test ran"
        failed=1
    fi
    PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
    echo "$name: $passed passed, $failed failed, $skipped skipped"
}

list_skipped() {
    [[ $SKIPPED -eq 0 ]] && return
    say "skipped tests and why"
    [[ ! -e $RESULTS/native.xml ]] || awk -f tests/reports/skipped-junit.awk "$RESULTS/native.xml"
    local report
    for report in "$RESULTS"/*.trx; do
        [[ ! -e $report ]] || awk -f tests/reports/skipped-trx.awk "$report"
    done
    echo
}

sanitize() {
    setup
    build_native asan
    ctest --preset asan
    # The thread sanitizer of g++ 12 needs a memory layout without randomization.
    build_native tsan setarch "$(uname -m)" --addr-no-randomize
    setarch "$(uname -m)" --addr-no-randomize ctest --preset tsan
}

# ---- CUDA --------------------------------------------------------------------------------------------------------------

# Path of nvcc: NQ_NVCC, on PATH, in CUDA_HOME, or where NVIDIA's installer puts it.
find_nvcc() {
    local candidate
    for candidate in "${NQ_NVCC:-}" "$(command -v nvcc)" "${CUDA_HOME:-}/bin/nvcc" /usr/local/cuda/bin/nvcc; do
        if [[ -n $candidate && -x $candidate ]]; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

build_cuda() {
    say "cuda: the CUDA library by $1"
    cmake --preset cuda -D NQ_CUDA_NVCC="$1" | grep CUDA:
    cmake --build --preset cuda
}

# cuda: every kernel for every architecture, and what the compiler made of it: the table in docs/cuda.md.
cuda() {
    local nvcc
    if ! nvcc=$(find_nvcc); then
        echo "cuda: SKIPPED: nvcc was not found (NQ_NVCC, PATH, CUDA_HOME, /usr/local/cuda); ./build.sh get-cuda PREFIX unpacks one"
        return
    fi
    setup
    build_cuda "$nvcc"
    say "cuda: registers, memory and instructions"
    tests/cuda-resources/check.sh "$(dirname "$nvcc")/cuobjdump" build/cuda/cuda docs/cuda.md
    ls -1s --block-size=K build/cuda/native/libnativequant_cuda.so
}

# gpu_check [--emulated]: on the CUDA device of this machine; see tests/gpu-check/gpu_check.sh.
gpu_check() {
    native
    managed
    local nvcc library=build/release/native/libnativequant_cuda.so
    if [[ ${1:-} != --emulated ]] && nvcc=$(find_nvcc); then
        build_cuda "$nvcc"
        library=build/cuda/native/libnativequant_cuda.so
    fi
    tests/gpu-check/gpu_check.sh "$PWD/$library" "$@"
}

# ---- the rest ----------------------------------------------------------------------------------------------------------

bench() {
    native
    managed
    local program
    mkdir -p "$BENCHMARKS"
    for program in build/release/native/bench/*_bench; do
        say "bench: $(basename "$program")"
        "$program" --benchmark_out="$BENCHMARKS/$(basename "$program" _bench).json" --benchmark_out_format=json "$@"
    done
    say "bench: NativeQuant.Benchmarks"
    run_benchmarks
    say "bench: results in $BENCHMARKS"
    run_benchmarks report
}

run_benchmarks() { dotnet run -c Release --no-build --project tests/NativeQuant.Benchmarks -- "$@"; }

# bench_document: docs/benchmarks-results.md and docs/benchmarks.svg from the results that are there.
bench_document() {
    managed
    run_benchmarks document
}

# bench_peers [WORKDIR] [CASE...]: the rivals, installed in WORKDIR from their packages, and we in turn; cases by the beginnings of their names.
bench_peers() {
    local work=${1:-artifacts/peers}
    [[ $# -eq 0 ]] || shift
    install_packages optional "${PEER_PACKAGES[@]}"
    native
    managed
    say "bench-peers: setting the rivals up in $work"
    bench/peers/setup.sh "$work"
    say "bench-peers: products"
    run_benchmarks kernels "$work" "$@"
    say "bench-peers: models"
    run_benchmarks models "$work" "$@"
}

# format [--check]: clang-format for native code, dotnet format for managed code.
format() {
    install_packages required "${FORMAT_PACKAGES[@]}"
    local sources
    mapfile -t sources < <(git ls-files 'native/*.h' 'native/*.cpp' 'native/*.c' 'native/*.cu' 'bench/*.h' 'bench/*.cpp' 'tests/*.h' 'tests/*.cpp')
    if [[ ${1:-} == --check ]]; then
        clang-format-14 --dry-run --Werror "${sources[@]}"
        dotnet format NativeQuant.sln --verify-no-changes --no-restore
    else
        clang-format-14 -i "${sources[@]}"
        dotnet format NativeQuant.sln --no-restore
    fi
}

clean() {
    say "clean: build outputs"
    rm -rf build artifacts managed/*/{bin,obj} packaging/*/{bin,obj} bindings/*/{bin,obj} tests/*/{bin,obj}
}

usage() {
    cat <<'TEXT'
usage: ./build.sh [verb]

  (none)            setup, native, managed, then the sample: tiny-llama in every format
  test              setup, build, and every test; the last line counts them
  setup             installs what is missing (Debian packages, by name)
  native [PRESET]   the native library: release (default), debug, asan, tsan
  managed           the managed solution and artifacts/cli/nativequant
  bindings          regenerates the C# bindings from the C header
  pack              NuGet packages in artifacts/packages
  bench [ARGS]      native benchmarks (--short: a part of them; Google Benchmark takes other ARGS) and managed ones (BenchmarkDotNet)
  bench-peers [WORKDIR] [CASE...]
                    llama.cpp, ONNX Runtime, oneDNN and bitsandbytes, installed in WORKDIR (artifacts/peers), against us in turn;
                    BITSANDBYTES_SOURCE: a checkout of bitsandbytes, which has no package with its CPU library alone
  bench-document    docs/benchmarks-results.md and docs/benchmarks.svg from the last results
  cuda              the CUDA library with machine code by nvcc, where there is one, and the table of its kernels in docs/cuda.md
  get-cuda PREFIX   unpacks nvcc from Debian's packages into PREFIX (1 GB to download); name it by NQ_NVCC=PREFIX/bin/nvcc
  gpu-check [--emulated]
                    every CUDA test and benchmark on the CUDA device of this machine, and a report, gpu-report.md;
                    --emulated: tries the check itself, on the emulated device
  sanitize          native tests under the address, undefined-behaviour and thread sanitizers
  format [--check]  clang-format and dotnet format
  clean             removes everything that was built
  help              this text
TEXT
}

verb=${1:-all}
[[ $# -eq 0 ]] || shift
case $verb in
    all | setup | native | bindings | managed | pack | bench | cuda | sanitize | format | clean) "$verb" "$@" ;;
    get-cuda) cmake/get_cuda.sh "$@" ;;
    gpu-check) gpu_check "$@" ;;
    bench-peers) bench_peers "$@" ;;
    bench-document) bench_document ;;
    test) run_tests ;;
    help | -h | --help) usage ;;
    *) usage >&2; fail "unknown verb '$verb'" ;;
esac

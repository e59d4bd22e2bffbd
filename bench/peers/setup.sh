#!/usr/bin/env bash
# setup.sh WORKDIR: installs the rivals from their packages into WORKDIR and builds our harnesses for them. What cannot be had is left out, and
# WORKDIR/missing/NAME says why. Needs g++, and for llama.cpp and ONNX Runtime git, node and npm. BITSANDBYTES_SOURCE: a checkout of bitsandbytes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${1:?usage: setup.sh WORKDIR}"
work=$(cd "$1" && pwd)
readonly here work
readonly LLAMA=3.22.1 ONNXRUNTIME=1.30.0 # of the npm packages node-llama-cpp and onnxruntime-node

mkdir -p "$work/missing" "$work/ggml" "$work/npm"
rm -f "$work"/missing/*

missing() { echo "$2" >"$work/missing/$1"; echo "peers: without $1: $2"; }
has() { command -v "$1" >/dev/null; }
build() { g++ -O2 -std=c++20 -Wall -Wextra "$@"; }

npm_packages() {
    has npm || { missing ggml "npm is not installed"; missing onnxruntime "npm is not installed"; return 1; }
    (
        cd "$work/npm"
        [[ -e package.json ]] || echo '{"private":true}' >package.json
        [[ -d node_modules/onnxruntime-node && -d node_modules/@node-llama-cpp/linux-x64 ]] \
            || npm install --silent --ignore-scripts "node-llama-cpp@$LLAMA" "@node-llama-cpp/linux-x64@$LLAMA" "onnxruntime-node@$ONNXRUNTIME"
    ) || { missing ggml "npm could not install node-llama-cpp"; missing onnxruntime "npm could not install onnxruntime-node"; return 1; }
}

# The package carries prebuilt libraries for every kind of x86-64 processor and, as a git bundle, the source they are made of: its headers.
ggml() {
    has git || { missing ggml "git is not installed"; return; }
    local source=$work/llama.cpp
    [[ -d $source ]] || git -c advice.detachedHead=false clone -q "$work/npm/node_modules/node-llama-cpp/llama/gitRelease.bundle" "$source"
    # Without these libraries the build below fails, and says so.
    cp -n "$work"/npm/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/*.so "$work/ggml/" || true
    (
        cd "$work/ggml"
        local include=(-I "$source/include" -I "$source/ggml/include") libraries=(-L . -l:"$(basename libggml.v*.so)" -l:libggml-base.so)
        # shellcheck disable=SC2016 # $ORIGIN is for the loader
        local origin='-Wl,-rpath,$ORIGIN'
        build "${include[@]}" "$here/ggml.cpp" -o ggml "${libraries[@]}" "$origin"
        build "${include[@]}" "$here/make_gguf.cpp" -o make_gguf "${libraries[@]}" "$origin"
        build "${include[@]}" "$here/llama_model.cpp" -o llama_model -l:"$(basename libllama.v*.so)" "${libraries[@]}" "$origin"
        local type
        for type in q4_0 q4_K iq4_nl q8_0; do
            [[ -e $work/1b-$type.gguf ]] || ./make_gguf "$work/1b-$type.gguf" "$type"
        done
    ) || missing ggml "its harness could not be built"
}

onednn() {
    build "$here/onednn.cpp" -o "$work/onednn" -ldnnl || missing onednn "the package libdnnl-dev is not installed"
}

bitsandbytes() {
    local source=${BITSANDBYTES_SOURCE:-} library
    if [[ -z $source ]]; then
        [[ -e $work/libbitsandbytes_cpu.so ]] || { missing bitsandbytes "BITSANDBYTES_SOURCE, a checkout of its source, was not given"; return; }
    elif [[ ! -e $work/libbitsandbytes_cpu.so ]]; then
        cp -r "$source" "$work/bitsandbytes-source" # its build writes beside its source
        (cmake -S "$work/bitsandbytes-source" -B "$work/bitsandbytes-build" -DCOMPUTE_BACKEND=cpu -DCMAKE_BUILD_TYPE=Release \
            && cmake --build "$work/bitsandbytes-build" --parallel) >"$work/bitsandbytes.log" 2>&1 \
            || { missing bitsandbytes "its build failed, see $work/bitsandbytes.log"; return; }
        library=$(find "$work/bitsandbytes-source" "$work/bitsandbytes-build" -name libbitsandbytes_cpu.so | head -n 1)
        cp "$library" "$work/"
        # A source that is no git checkout has no version to name.
        git -C "$source" log -1 --format='%h of %cs' >"$work/bitsandbytes.version" 2>/dev/null || true
    fi
    build "$here/bitsandbytes.cpp" -o "$work/bitsandbytes" -ldl
}

if npm_packages; then ggml; fi
onednn
bitsandbytes

#!/usr/bin/env bash
# get_cuda.sh PREFIX: nvcc 12.4 with its assembler, disassembler and headers, unpacked into PREFIX from Debian's non-free packages. Nothing is
# installed in the system and no root is needed; about 1 GB is downloaded and 210 MB kept. Needs apt, and takes the mirror that this machine's
# debian.sources names.
set -euo pipefail
prefix=${1:?usage: get_cuda.sh PREFIX}
readonly SUITE=trixie SOURCES=/etc/apt/sources.list.d/debian.sources
readonly PROGRAMS=(ptxas fatbinary cudafe++ nvlink bin2c cuobjdump nvdisasm cu++filt nvprune __nvcc_device_query)

if [[ -x $prefix/bin/nvcc ]]; then
    "$prefix/bin/nvcc" --version | tail -n 2
    exit 0
fi
[[ -r $SOURCES ]] || { echo "get_cuda.sh: $SOURCES does not exist; install nvcc by the system's own means and name it by NQ_NVCC." >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,archives/partial,packages,root} "$prefix"/{bin,nvvm/bin,nvvm/libdevice,include}
chmod 755 "$work"
chmod 777 "$work/packages" # apt downloads as another user

# A private apt directory with the first source of this machine, for another suite and with the component that holds the toolkit.
awk 'BEGIN { RS = "" } NR == 1' "$SOURCES" \
    | sed -E "s/^Suites:.*/Suites: $SUITE/; s/^Components:.*/Components: main contrib non-free/" >"$work/sources/cuda.sources"
apt=(-qq -oDir::State::Lists="$work/lists" -oDir::Etc::SourceList=/dev/null -oDir::Etc::SourceParts="$work/sources"
    -oDir::Cache::archives="$work/archives" -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache=)
apt-get "${apt[@]}" update
(cd "$work/packages" && apt-get "${apt[@]}" download nvidia-cuda-toolkit nvidia-cuda-dev libcu++-dev)
cd "$work"
dpkg-deb -x packages/nvidia-cuda-toolkit_* root
dpkg-deb -x packages/libcu++-dev_* root
# Of this one the headers alone: the rest is 2.5 GB of libraries.
dpkg-deb --fsys-tarfile packages/nvidia-cuda-dev_* | tar -x -C root --wildcards './usr/include/*'

toolkit=root/usr/lib/nvidia-cuda-toolkit
for program in "${PROGRAMS[@]}"; do
    [[ ! -e root/usr/bin/$program ]] || cp "root/usr/bin/$program" "$prefix/bin/"
done
cp -r "$toolkit/bin/nvcc" "$toolkit/bin/crt" "$prefix/bin/"
cp "$toolkit/bin/cicc" "$prefix/nvvm/bin/"
cp "$toolkit"/libdevice/*.bc "$prefix/nvvm/libdevice/"
cp -rL root/usr/include/. "$prefix/include/"
# shellcheck disable=SC2016  # nvcc itself expands these
printf '%s\n' 'TOP = $(_HERE_)/..' 'NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice' 'PATH += $(TOP)/nvvm/bin:$(_HERE_):' \
    'INCLUDES += "-I$(TOP)/include" $(_SPACE_)' >"$prefix/bin/nvcc.profile"
"$prefix/bin/nvcc" --version | tail -n 2

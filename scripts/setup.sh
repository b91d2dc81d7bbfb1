#!/usr/bin/env bash
# Installs what this workspace needs from the system, and says nothing when it is all there.
#
#   scripts/setup.sh          what building needs: a C and C++ compiler and make (RocksDB, librdkafka,
#                             zstd), libclang (bindgen reads RocksDB's headers), OpenSSL and zlib
#                             (librdkafka's TLS and compression) and pkg-config to find them
#   scripts/setup.sh --tests  that, and what the tests need: rustfmt, clippy, Java and Maven for Kafka, and openssl
#
# As root, or where sudo asks for no password, it installs with apt-get; otherwise it prints the one
# command to run and fails.
set -euo pipefail

java_min=17 # of Kafka 4

have() { command -v "$1" > /dev/null 2>&1; }

have_library() { have pkg-config && pkg-config --exists "$1"; }

# The library and the compiler's own headers, which Debian packs apart.
have_libclang() {
  [[ -n ${LIBCLANG_PATH:-} ]] && return
  compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' > /dev/null ||
    compgen -G '/usr/lib/*-linux-gnu/libclang*.so*' > /dev/null ||
    compgen -G '/usr/lib*/libclang*.so*' > /dev/null || return
  compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' > /dev/null ||
    compgen -G '/usr/lib*/clang/*/include/stddef.h' > /dev/null
}

have_java() {
  local java=java major
  [[ -n ${JAVA_HOME:-} ]] && java=$JAVA_HOME/bin/java
  have "$java" || return
  major=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
  [[ -n $major ]] && ((major >= java_min))
}

# Prints the Debian packages of what is missing.
missing() {
  have cc || echo gcc libc6-dev
  have c++ || echo g++
  have make || echo make
  have pkg-config || echo pkg-config
  have_libclang || echo libclang-dev
  have_library openssl || echo libssl-dev
  have_library zlib || echo zlib1g-dev
  if [[ $1 == --tests ]]; then
    have_java || echo default-jre-headless
    have mvn || echo maven
    have openssl || echo openssl
  fi
}

fail() {
  echo "setup: $*" >&2
  exit 1
}

install() {
  local packages=("$@") sudo=()
  local command="apt-get update && apt-get install --no-install-recommends ${packages[*]}"
  have apt-get || fail "missing, under the names that Debian gives them: ${packages[*]}"
  if ((EUID != 0)); then
    sudo -n true 2> /dev/null || fail "as root, please: $command"
    sudo=(sudo -n)
  fi
  echo "setup: installing ${packages[*]}"
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  # A new machine has no package lists, an old one has lists of versions that are gone.
  "${apt[@]}" update
  "${apt[@]}" install --yes --no-install-recommends "${packages[@]}" > /dev/null
}

scope=${1:---build}
[[ $scope == --build || $scope == --tests ]] || fail "usage: scripts/setup.sh [--tests]"

have cargo || fail "cargo is missing: install Rust from https://rustup.rs"
if [[ $scope == --tests ]]; then
  { cargo fmt --version && cargo clippy --version; } > /dev/null 2>&1 ||
    fail "please: rustup component add rustfmt clippy"
fi

# shellcheck disable=SC2046 # one word is one package
set -- $(missing "$scope")
if (($# > 0)); then
  install "$@"
  # shellcheck disable=SC2046
  set -- $(missing "$scope")
  (($# == 0)) || fail "installed, but still not found: $*"
fi

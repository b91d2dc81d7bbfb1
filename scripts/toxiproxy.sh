#!/usr/bin/env bash
# Builds Toxiproxy, the proxy that the tests cut and slow connections with, once, from its Go module, into
# $APPMI_TOXIPROXY_HOME, by default a folder of the user's cache that all clones share. Without Go it fails with
# a sentence, and the tests that need it are skipped and counted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(cat tests/toxiproxy/version)
home=${APPMI_TOXIPROXY_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/appmi/toxiproxy-$version}
if [[ -x $home/server ]]; then
  exit 0
fi
if ! command -v go > /dev/null 2>&1; then
  echo "toxiproxy: Go is missing: install it to run the tests with cut and slow connections" >&2
  exit 1
fi

echo "building Toxiproxy $version into $home"
mkdir -p "$(dirname "$home")"
fresh=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
GOBIN=$fresh go install "github.com/Shopify/toxiproxy/v2/cmd/server@v$version" > "$fresh/log" 2>&1 ||
  { cat "$fresh/log" >&2; exit 1; }

# Whole or not at all: who comes second finds the first one's folder and drops his own.
chmod 755 "$fresh"
rm "$fresh/log"
mv --no-target-directory "$fresh" "$home" 2> /dev/null ||
  [[ -x $home/server ]] ||
  { echo "toxiproxy: $home is in the way: remove it" >&2; exit 1; }

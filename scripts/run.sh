#!/bin/sh
# Runs a TypeScript file of this checkout with a Node that can, everything installed and built.
root=$(cd "${0%/*}/.." && pwd -P) || exit
. "$root/scripts/setup.sh"

install_packages
choose_node
build
export PATH="${node%/*}:$PATH"
file=$1
shift
exec "$node" --disable-warning=ExperimentalWarning "$root/$file" "$@"

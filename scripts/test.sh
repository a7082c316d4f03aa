#!/bin/sh
# `npm test`: installs what is missing, then runs every check and test.
root=$(cd "${0%/*}/.." && pwd -P) || exit
. "$root/scripts/setup.sh"
. "$root/scripts/python.sh"

install_packages
choose_node
case " $* " in
"  " | *" ray "* | *" python "*) make_python ;;
esac
export PATH="${node%/*}:$PATH"
cd "$root" && exec "$node" --disable-warning=ExperimentalWarning scripts/test.ts "$@"

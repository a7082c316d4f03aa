#!/bin/sh
# `npm run test:ray -- --ray VERSION`: the most telling tests of Ray, on another version of it.
root=$(cd "${0%/*}/.." && pwd -P) || exit
. "$root/scripts/setup.sh"
. "$root/scripts/python.sh"

case $#,$1,$2 in
2,--ray,[0-9]*) wanted=$2 ;;
*) fail "say which Ray, as PyPI calls it: npm run test:ray -- --ray 2.59.0" ;;
esac
venv=.venv-ray-$wanted

# What releases did not say of themselves: 2.55 does not run with protobuf 7, and 2.57 wants jinja2.
make_other_python() {
  [ -f "$root/$venv/made" ] && return 0
  find_python || fail "Python 3.11 to 3.13 with venv is missing (python3.org, or apt install python3-venv)."
  echo "Installing Ray $wanted into $venv, once (two minutes) ..." >&2
  rm -rf "${root:?}/$venv"
  "$python" -m venv "$root/$venv" >&2 &&
    "$root/$venv/bin/python" -m pip install -qq --disable-pip-version-check "ray[serve]==$wanted" "protobuf<7" jinja2 numpy >&2 &&
    touch "$root/$venv/made"
}

install_packages
choose_node
alone make_other_python || fail "Ray $wanted could not be installed (see above)."
echo "Ray $wanted: client protocol, pickle, REST, Python deployments, one host by the engine, and a whole organism." >&2
export PATH="${node%/*}:$PATH" SEEDCORE_TEST_VENV="$venv" SEEDCORE_RAY_ANY_VERSION=1
cd "$root" && exec "$node" --disable-warning=ExperimentalWarning scripts/test.ts smoke

# Sourced after setup.sh, with $root set. Makes .venv, the Python environment the tests of Ray use, once.

pins=$root/test/ray/requirements.txt

python_ready() {
  cmp -s "$pins" "$root/.venv/requirements.txt"
}

# The first Python that can make the environment: pinned packages need 3.11, and Ray has wheels up to 3.13.
find_python() {
  for python in python3 python3.13 python3.12 python3.11; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && return
  done
  return 1
}

# The copy of the pins is the last thing written, so that an environment half made is made again.
make_python_now() {
  python_ready && return 0
  find_python || {
    echo "Python 3.11 to 3.13 with venv is missing (python3.org, or apt install python3-venv)." >&2
    return 1
  }
  echo "Installing Ray and the packages of test/ray/requirements.txt into .venv, once (two minutes) ..." >&2
  rm -rf "$root/.venv"
  "$python" -m venv "$root/.venv" >&2 &&
    "$root/.venv/bin/python" -m pip install -qq --no-deps --disable-pip-version-check -r "$pins" >&2 &&
    cp "$pins" "$root/.venv/requirements.txt"
}

# Without Python the rest of the tests still runs; where everything must run (CI=true), that is a failure.
make_python() {
  python_ready || alone make_python_now || {
    [ "$CI" != true ] || fail "the tests of Ray need Python and CI=true lets nothing be skipped."
    echo "seedcore: the tests of Ray are left out; see above." >&2
  }
}

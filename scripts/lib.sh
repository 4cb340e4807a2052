# shellcheck shell=bash
# What the scripts share: where things are, installing what a fresh machine lacks, and watching an engine.
# Sourced, not run: `source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"`.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# --- Telling ------------------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }

# Ends with a reason. Exit code 1: something failed; 2: wrong usage.
die() {
  say "${0##*/}: $*"
  exit 1
}

usage_error() {
  say "${0##*/}: $*"
  say "${0##*/} --help says what there is"
  exit 2
}

# Prints the comment at the head of the calling script: its help.
help() { sed -n '2,/^$/ { s/^# \{0,1\}//; p; }' "$0"; }

# Ends unless the text is a number that is at least $3.
need_number() { # OPTION TEXT LEAST
  if ! [[ $2 =~ ^[0-9]{1,9}$ ]] || ((10#$2 < $3)); then usage_error "$1 takes a whole number from $3, not '$2'"; fi
}

# --- Installing ---------------------------------------------------------------------------------------------------------------

# Sees to it that commands are there; each is `command` or `command:package`, several packages joined by commas. As root on
# Debian they are installed with apt, otherwise this lists them and ends.
need() {
  local pair packages=()
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}")
  done
  if ((${#packages[@]} == 0)); then return; fi
  local list
  IFS=, read -ra list <<<"$(IFS=, && printf '%s' "${packages[*]}")"
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    say "${0##*/} needs programs that are not installed. As root on Debian 12:"
    say ""
    say "    apt-get update && apt-get install --no-install-recommends ${list[*]}"
    exit 1
  fi
  say "installing ${list[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${list[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "apt-get could not install ${list[*]}"
  fi
  rm -f "$log"
}

# Rust comes by rustup, which fetches the version that rust-toolchain.toml names; a C compiler links, and builds zstd and mimalloc.
need_rust() {
  if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-${HOME:-/root}/.cargo}/bin/cargo ]]; then
    PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH
  fi
  command -v cargo >/dev/null || die "Rust is missing: install rustup from https://rustup.rs (the right version then comes by itself)"
  need cc:gcc,libc6-dev
}

# Node.js from 20.19 on, with npm. Debian 12's own is older, so it isn't installed from there.
need_node() {
  local version major minor
  if ! version=$(node --version 2>/dev/null) || ! command -v npm >/dev/null; then
    die "Node.js 20.19 or later with npm is missing: see https://nodejs.org/en/download"
  fi
  IFS=. read -r major minor _ <<<"${version#v}"
  if ((major < 20 || (major == 20 && minor < 19))); then die "Node.js $version is too old: 20.19 is the least"; fi
}

# Installs the page's packages as the lock file pins them, unless they are there. One at a time, as build.rs does.
npm_packages() {
  (
    cd "$root/web" || exit
    exec {lock}<package.json
    flock "$lock"
    if [[ node_modules/.package-lock.json -ot package-lock.json ]]; then
      npm ci --include=dev --no-audit --no-fund
    fi
  )
}

# --- Building -----------------------------------------------------------------------------------------------------------------

# Where Cargo puts what it builds.
target_dir() {
  local dir=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-target}}
  case $dir in
    /*) printf '%s' "$dir" ;;
    *) printf '%s' "$root/$dir" ;;
  esac
}

# Builds the release program and sets `visulate` to its path. In the project's folder, where rust-toolchain.toml holds.
build_release() {
  need_rust
  (cd "$root" && cargo build --release --locked --bin visulate) || die "the build failed"
  visulate=$(target_dir)/release/visulate
}

# --- Running an engine --------------------------------------------------------------------------------------------------------

# Sets the named variable to a port of the loopback address that nobody listens on.
free_port() { # VARIABLE
  local port tries
  for ((tries = 0; tries < 100; tries++)); do
    port=$((20000 + (RANDOM << 15 | RANDOM) % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf -v "$1" '%s' "$port"
      return
    fi
  done
  die "found no free port from 20000 to 31999"
}

# Starts an engine on free loopback ports: sets `engine` (its process), `http` and `collation` (addresses), `scratch` (a folder
# with its log), `secret_file`. It is stopped, and the folder removed, when the script ends.
start_engine() { # COMMAND ARGUMENT...
  local command=$1 http_port collation_port
  shift
  free_port http_port
  free_port collation_port
  while ((collation_port == http_port)); do free_port collation_port; done
  http=127.0.0.1:$http_port
  collation=127.0.0.1:$collation_port
  scratch=$(mktemp -d)
  secret_file=$scratch/secret
  (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$secret_file")
  "$visulate" "$command" --http "$http" --collation "$collation" --secret-file "$secret_file" "$@" \
    >"$scratch/stdout" 2>"$scratch/stderr" </dev/null &
  engine=$!
  trap stop_engine EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    if curl --silent --fail --max-time 2 --output /dev/null "http://$http/readyz"; then return; fi
    kill -0 "$engine" 2>/dev/null || engine_gone
    sleep 0.1
  done
  cat "$scratch/stderr" >&2
  die "the engine was not ready after 30 s"
}

# Ends with what the engine said before it did.
engine_gone() {
  cat "$scratch/stderr" >&2
  local code=0
  wait "$engine" || code=$?
  engine=
  die "the engine ended with exit code $code"
}

# Ends what the script started: the engine, and the process `sender`, where there is one.
stop_engine() {
  if [[ -n ${sender:-} ]]; then kill "$sender" 2>/dev/null || true; fi
  if [[ -n ${engine:-} ]]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    engine=
  fi
  if [[ -n ${scratch:-} ]]; then rm -rf "$scratch"; fi
}

# --- Watching an engine -------------------------------------------------------------------------------------------------------

# The engine's answer as JSON.
ask() { # PATH
  curl --silent --show-error --fail --max-time 10 "http://$http$1"
}

# Entries received since the engine started.
received() { ask '/api/v1/summary?window=total' | jq --exit-status .entries.received; }

# Resident memory of a process, in KiB; nothing once it is gone.
resident() { # PID
  awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status" 2>/dev/null || true
}

# CPU time that a process has used, in hundredths of a second (Linux counts in them everywhere); nothing once it is gone.
cpu_time() { # PID
  # The name in parentheses may hold blanks: fields are counted behind it.
  sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '{ print $12 + $13 }' || true
}

# Time since the machine started, in hundredths of a second. Unlike the clock it never jumps.
uptime_centis() { awk '{ printf "%d\n", $1 * 100 }' /proc/uptime; }

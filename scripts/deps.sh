# shellcheck shell=bash disable=SC2154 # root, out and install are set by build.sh
# What the distribution must provide: checked by what we use of it, not by package names. Sourced by build.sh.

# package, kind of need, check. build: for everything; perf: for comparisons; extra: a part of the product is not built
# without; test: a test is skipped without (other people's clients, numpy). What is extra or for a test never stops a build.
readonly dependency_table='
gcc          build command:gcc
libc6-dev    build file:/usr/include/stdlib.h
cmake        build command:cmake
ninja-build  build command:ninja
pkg-config   build command:pkg-config
libseccomp-dev build file:/usr/include/seccomp.h
python3      build file:/usr/bin/python3
libpython3-dev extra pkg:python3-embed
bubblewrap   perf  command:bwrap
nghttp2-client perf command:h2load
wrk          perf  command:wrk
npm          test  command:npm
python3-msgpack test file:/usr/lib/python3/dist-packages/msgpack
python3-pynvim test file:/usr/lib/python3/dist-packages/pynvim
ruby-msgpack test  command:ruby
python3-grpcio test file:/usr/lib/python3/dist-packages/grpc/__init__.py
python3-protobuf test file:/usr/lib/python3/dist-packages/google/protobuf/message.py
protobuf-compiler test command:protoc
sqlite3      test  command:sqlite3
git          test  command:git
e2fsprogs    extra file:/usr/sbin/mkfs.ext4
crun         test  command:crun
python3-numpy test file:/usr/lib/python3/dist-packages/numpy/__init__.py
imagemagick  test  file:/usr/bin/convert
faketime     test  command:faketime
'

is_there() { # command:NAME, pkg:NAME (of pkg-config) or file:PATH
  case "$1" in
    command:*) command -v -- "${1#command:}" >/dev/null ;;
    pkg:*) pkg-config --exists "${1#pkg:}" 2>/dev/null ;;
    *) [[ -e ${1#file:} ]] ;;
  esac
}

missing_packages() { # kinds of need...
  local package need check
  while read -r package need check; do
    [[ -n $package && " $* " == *" $need "* ]] || continue
    is_there "$check" || printf '%s ' "$package"
  done <<<"$dependency_table"
}

# What a goal cannot do without.
required_needs() { # build | test | perf | all
  case "$1" in
    perf | all) printf 'build perf' ;;
    *) printf 'build' ;;
  esac
}

optional_needs() { # build | test | perf | all
  case "$1" in
    test | all) printf 'extra test' ;;
    *) printf 'extra' ;;
  esac
}

# shellcheck disable=SC2086 # a list of package names
install_packages() { # packages...
  say "Installing with apt-get: $*"
  export DEBIAN_FRONTEND=noninteractive
  run_step "package lists" apt-update apt-get update -q
  run_step "installing $*" apt-install apt-get install -q -y --no-install-recommends "$@"
}

# Told each time, installed where that can be done at once; the build goes on in either case.
offer_packages() { # build | test | perf | all
  local -a missing
  # shellcheck disable=SC2046 # a list of words
  read -r -a missing <<<"$(missing_packages $(optional_needs "$1"))"
  ((${#missing[@]} > 0)) || return 0
  if ((EUID == 0)) && command -v apt-get >/dev/null; then
    say "Installing with apt-get: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if run_logged "package lists" apt-update apt-get update -q &&
      run_logged "installing ${missing[*]}" apt-install apt-get install -q -y --no-install-recommends "${missing[@]}"; then
      return 0
    fi
    say "They could not be installed (out/log/apt-install.log)."
  fi
  say "Going on without: ${missing[*]} (libpython3-dev: no Python tasks; e2fsprogs: no space on the disk; others: their tests are skipped). To have them:"
  say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
}

ensure_packages() { # build | test | perf | all
  local -a missing
  # shellcheck disable=SC2046 # a list of words
  read -r -a missing <<<"$(missing_packages $(required_needs "$1"))"
  if ((${#missing[@]} == 0)); then
    offer_packages "$1"
    return 0
  fi
  if ! command -v apt-get >/dev/null; then
    say "Missing (names as Debian calls them): ${missing[*]}. Install them with your package manager, then try again."
    exit 3
  fi
  if ((EUID != 0)); then
    say "Missing packages. Give this command once, then try again:"
    say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
    exit 3
  fi
  install_packages "${missing[@]}"
  offer_packages "$1"
}

# The distribution's Prometheus, for tests that let it scrape: unpacked below out/, not installed, because the package would
# start a server of its own. Needs no root; without it those tests say that they were skipped.
fetch_prometheus() {
  local folder="$out/prometheus"
  [[ ! -x $folder/usr/bin/prometheus ]] || return 0
  ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null || return 0
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 0
  mkdir -p -- "$folder"
  ((EUID != 0)) || [[ -n "$(apt-cache policy prometheus 2>/dev/null)" ]] || run_logged "package lists" apt-update apt-get update -q || true
  # shellcheck disable=SC2016 # expanded by the inner shell
  if run_logged "fetching Prometheus for tests" prometheus \
    sh -c 'cd "$1" && apt-get download -q prometheus && dpkg -x prometheus_*.deb . && rm -f prometheus_*.deb' sh "$folder"; then
    return 0
  fi
  say "Prometheus could not be fetched (out/log/prometheus.log): the tests that scrape with it will be skipped"
}

ensure_dotnet() {
  if command -v dotnet >/dev/null && grep -q '^10\.' <<<"$(dotnet --list-sdks 2>/dev/null)"; then
    return 0
  fi
  say "The .NET SDK 10 is missing. Install it (https://dotnet.microsoft.com/download/dotnet/10.0), so that"
  say "'dotnet --list-sdks' names a version 10, then try again."
  exit 3
}

# dotnet and NuGet keep their caches below HOME; a system user may have none that it can write.
ensure_home() {
  if [[ -z ${HOME:-} || ! -w ${HOME:-/nonexistent} ]]; then
    export HOME="$out/home"
    mkdir -p -- "$HOME"
  fi
  export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false
  # No build nodes stay behind; no ICU is needed on a bare system.
  export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
}

ensure_deps() { # build | test | perf | all
  prepare_out
  ensure_home
  ensure_packages "$1"
  ensure_dotnet
  [[ $1 != all ]] || fetch_prometheus
  if [[ $1 == all ]] && ! command -v npm >/dev/null; then
    say "npm is not there: optional, only the public MessagePack vectors come through it (their test is skipped without)"
  fi
}

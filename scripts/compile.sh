# shellcheck shell=bash disable=SC2154 # root, out and install are set by build.sh
# Native and managed builds, and the installation folder. Sourced by build.sh.

build_native() { # preset
  local preset="$1" build="$out/native/$1" recipe
  recipe="$(sha256sum -- "$root/CMakePresets.json") $(command -v gcc) $(pkg-config --modversion python3-embed 2>/dev/null || true)"
  if [[ ! -f $build/build.ninja ]] || ! stamp_is "configure-$preset" "$recipe"; then
    run_step "configuring native code ($preset)" "native-$preset-configure" cmake --preset "$preset"
    stamp "configure-$preset" "$recipe"
  fi
  run_step "building native code ($preset)" "native-$preset-build" cmake --build "$build"
}

# Names, sizes and times of everything that managed builds read: cheaper to compare than to ask MSBuild.
managed_inputs() { # folders...
  {
    find "${@/#/$root/}" \( -name bin -o -name obj -o -name results \) -prune -o \
      -type f \( -name '*.cs' -o -name '*.csproj' -o -name '*.props' -o -name '*.targets' -o -name '*.resx' \
      -o -name '*.json' -o -name '*.yaml' -o -name '*.proto' \) -printf '%p %s %T@\n'
    find "$root" -maxdepth 1 -type f \( -name '*.props' -o -name '*.sln' -o -name '*.json' -o -name .editorconfig \) \
      -printf '%p %s %T@\n'
    readlink -f -- "$(command -v dotnet)"
  } | LC_ALL=C sort | sha256sum
}

build_project() { # name, project or solution
  local inputs
  inputs="$(managed_inputs src tests perf)"
  stamp_is "managed-$1" "$inputs" && return 0
  run_step "building managed code ($1)" "managed-$1" dotnet build "$2" -c Release -v q --nologo
  stamp "managed-$1" "$inputs"
}

runtime_identifier() {
  case "$(uname -m)" in
    x86_64) printf 'linux-x64' ;;
    aarch64) printf 'linux-arm64' ;;
    *) say "no build for the architecture $(uname -m)"; exit 3 ;;
  esac
}

# Copies keep the modes of their sources, and those of a checkout or a package cache follow someone's umask.
settle_modes() { # folder
  chmod -R go-w,a+rX -- "$1"
}

# How the program is compiled ahead of time, best first.
#   whole  together with the framework, which it brings along: nearly nothing is compiled while it runs, and nothing twice
#   alone  generic code of the framework over our types is left for later: its first use costs the threads that serve
#          everybody milliseconds, and what is hot is compiled again beside them
#   none   all of it is
# The first two need packages; where these cannot be had, the next.
readonly publish_kinds=(whole alone none)

# For processors since 2013: what counts bits is left for later otherwise, the scheduler among it. On older ones it is then, too.
processor_arguments() { # runtime identifier
  case "$1" in
    *-x64) printf '%s' -p:PublishReadyToRunCrossgen2ExtraArgs=--instruction-set:x86-64-v3 ;;
  esac
}

publish_arguments() { # kind, runtime identifier
  case "$1" in
    whole) printf '%s\n' --self-contained -p:PublishReadyToRun=true -p:PublishReadyToRunComposite=true \
      -p:TieredCompilation=false $(processor_arguments "$2") ;;
    alone) printf '%s\n' --no-self-contained -p:PublishReadyToRun=true ;;
    none) printf '%s\n' --no-self-contained ;;
  esac
}

# Into a folder of its own each time: what another kind left is not taken for its own, and a program that runs from the
# installation keeps its files.
publish_host() { # project, folder
  local kind runtime status
  local -a arguments
  runtime="$(runtime_identifier)"
  for kind in "${publish_kinds[@]}"; do
    rm -rf -- "$2" "$out/managed/obj/$(basename -- "$1" .csproj)/release_$runtime/R2R"
    mapfile -t arguments < <(publish_arguments "$kind" "$runtime")
    status=0
    run_logged "publishing wayang ($kind)" managed-publish \
      dotnet publish "$1" -c Release -v q --nologo -r "$runtime" "${arguments[@]}" -o "$2" || status=$?
    ((status != 0)) || return 0
    [[ $kind != none ]] && grep -q -E 'NU1[0-9]{3}|NETSDK1094' "$out/log/managed-publish.log" || break
    say "wayang cannot be compiled ahead of time as '$kind': a package is missing ($(grep -o -m 1 -E 'NU1[0-9]{3}|NETSDK1094' "$out/log/managed-publish.log")); its first calls and commands will be slower"
  done
  fail_step "publishing wayang ($kind)" managed-publish "$status"
}

build_host() {
  local inputs
  inputs="$(managed_inputs src) $(declare -f publish_arguments)"
  if [[ -x $install/bin/wayang ]] && stamp_is host "$inputs"; then
    return 0
  fi
  publish_host src/Wayang.Fast.Host/Wayang.Fast.Host.csproj "$out/publish"
  settle_modes "$out/publish"
  mkdir -p -- "$install"
  rm -rf -- "$install/bin"
  mv -- "$out/publish" "$install/bin"
  stamp host "$inputs"
}

# A file is replaced, never written into: a program that runs from it keeps its own.
install_native() {
  local stage="$out/native/release/stage" inputs
  mkdir -p -- "$stage" "$install/native"
  inputs="$(find "$stage" -type f -printf '%p %s %T@\n' | LC_ALL=C sort | sha256sum)"
  settle_modes "$stage"
  stamp_is install-native "$inputs" && [[ -n "$(ls -A -- "$install/native")" ]] && return 0
  cp -a --remove-destination -- "$stage/." "$install/native/"
  settle_modes "$install/native"
  stamp install-native "$inputs"
}

# The public MessagePack vectors, once; without npm (or network) their test says that it was skipped.
fetch_vectors() {
  local folder="$out/vectors"
  [[ ! -f $folder/msgpack-test-suite.json ]] || return 0
  command -v npm >/dev/null && command -v tar >/dev/null || return 0
  mkdir -p -- "$folder"
  if run_logged "fetching the MessagePack vectors" vectors \
    npm pack --silent --pack-destination "$folder" msgpack-test-suite@1.0.0 &&
    tar -xzf "$folder/msgpack-test-suite-1.0.0.tgz" -C "$folder" package/dist/msgpack-test-suite.json; then
    mv -- "$folder/package/dist/msgpack-test-suite.json" "$folder/msgpack-test-suite.json"
  else
    say "the MessagePack vectors could not be fetched (out/log/vectors.log): their test will be skipped"
  fi
  rm -rf -- "$folder/package" "$folder/msgpack-test-suite-1.0.0.tgz"
}

# Other people's clients that tests drive; without npm (or network) their test says that it was skipped.
fetch_clients() {
  local folder="$out/clients/node" wanted="msgpack5rpc@1.1.0 msgpack-rpc-lite@1.0.2 @grpc/grpc-js@1.14.7 @grpc/proto-loader@0.8.1 @bufbuild/buf@1.75.0 @stoplight/spectral-cli@6.16.3 standardwebhooks@1.1.1 eventsource@3.0.7"
  command -v npm >/dev/null || return 0
  stamp_is clients-node "$wanted" && [[ -d $folder/node_modules/msgpack5rpc ]] && return 0
  rm -rf -- "$folder"
  mkdir -p -- "$folder"
  # shellcheck disable=SC2086 # a list of package names
  if run_logged "fetching clients of npm" clients-node \
    npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent $wanted; then
    stamp clients-node "$wanted"
  else
    say "the clients of npm could not be fetched (out/log/clients-node.log): their test will be skipped"
    rm -rf -- "$folder"
  fi
}

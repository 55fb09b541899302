#!/usr/bin/env bash
# The one entry point: installs what is missing, builds, runs. See --help.
set -Eeuo pipefail

root="$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)"
readonly root
readonly out="$root/out"
readonly install="$out/install"

# What is built is read by the daemon's own user and written by its owner alone, whatever the caller's umask: the keeper
# refuses anything else. What `run` starts gets the caller's umask back.
callers_umask="$(umask)"
readonly callers_umask
umask 022

# shellcheck source=scripts/steps.sh
source "$root/scripts/steps.sh"
# shellcheck source=scripts/deps.sh
source "$root/scripts/deps.sh"
# shellcheck source=scripts/compile.sh
source "$root/scripts/compile.sh"
# shellcheck source=scripts/suites.sh
source "$root/scripts/suites.sh"

usage() {
  cat <<'TEXT'
Usage: ./build.sh COMMAND

  deps                      install missing distribution packages (told first; needs root)
  build                     native code and the `wayang` program, into out/install
  demo                      build, then thousands of real sandboxed tasks, checked (under two minutes), two workflows with webhooks,
                            and a computation that moves to a second node
  test [--filter SUITE]     every test; the last line is the total
  perf SUITE [--quick] [--json FILE]
                            build, then measure: dispatch | scheduler | rpc | http | spawn | ledger | preempt | migrate | all; apart are soak [--tasks N] [--seed N],
                            millions of tasks while processes are killed, and interference [--only BOMB,BOMB], calls beside bombs
  run ARGS                  build, then `wayang ARGS` in the current directory
  clean                     remove out/
  --help                    this text

Examples:
  ./build.sh demo
  ./build.sh run run -- sha256sum README.md
  ./build.sh test --filter native-asan
  ./build.sh perf spawn --quick

Exit codes: 0 done; 1 a step or a test failed (its log is named); 2 wrong usage; 3 something is missing that you must
install (the command is shown). Logs of the last run: out/log.
TEXT
}

run_wayang() {
  unlock_build
  umask "$callers_umask"
  exec "$install/bin/wayang" "$@"
}

command_deps() {
  ensure_deps all
  say "everything is there"
}

command_build() {
  ensure_deps build
  lock_build
  build_native release
  build_host
  install_native
}

# Without arguments also what is in examples/: the workflows, which drive a node of their own from Python and, where npm can be asked, from Node, and the computation that moves.
command_demo() {
  command_build
  (($# == 0)) || run_wayang demo "$@"
  npm_config_fetch_retries=0 npm_config_fetch_timeout=20000 fetch_clients
  unlock_build
  umask "$callers_umask"
  "$install/bin/wayang" demo || exit
  if command -v python3 >/dev/null; then
    printf '\nworkflows, over MessagePack-RPC and gRPC, and their webhooks (examples/workflow):\n'
    python3 "$root/examples/workflow/run.py" "$install/bin/wayang" "$out/clients/node/node_modules" || exit
    printf '\na running computation moves to another node (examples/moving):\n'
    python3 "$root/examples/moving/run.py" "$install/bin/wayang" || exit
  else
    say "what is in examples/ is left out: it needs python3"
  fi
}

command_perf() {
  (($# > 0)) || fail_usage "perf needs a suite: dispatch, scheduler, rpc, http, spawn, ledger, preempt, soak, interference or all"
  case "$1" in
    dispatch | scheduler | rpc | http | spawn | ledger | preempt | migrate | soak | interference | all | --help) ;;
    *) fail_usage "no such perf suite: $1; there are dispatch, scheduler, rpc, http, spawn, ledger, preempt, soak, interference and all" ;;
  esac
  ensure_deps perf
  command_build
  build_project perf perf/Wayang.Fast.Perf/Wayang.Fast.Perf.csproj
  unlock_build
  exec "$out/managed/bin/Wayang.Fast.Perf/release/wayang-perf" "$@"
}

command_clean() {
  if [[ -d $out ]]; then
    lock_build
    rm -rf -- "$out"
  fi
}

main() {
  (($# > 0)) || { usage >&2; exit 2; }
  local command="$1"
  shift
  case "$command" in
    deps | build | clean)
      (($# == 0)) || fail_usage "$command takes no arguments"
      "command_$command"
      ;;
    demo | test | perf) "command_$command" "$@" ;;
    run)
      command_build
      run_wayang "$@"
      ;;
    --help | -h | help) usage ;;
    *) fail_usage "unknown command: $command" ;;
  esac
}

main "$@"

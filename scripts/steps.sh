# shellcheck shell=bash disable=SC2154 # root, out and install are set by build.sh
# Steps with a log and a progress line, and the lock around building. Sourced by build.sh.

step_pid=""
readonly room_needed="about 2 GB" # out/ after every suite, and the cache of packages

say() { printf '%s\n' "$*" >&2; }

fail_usage() {
  say "build.sh: $*"
  say "Try: ./build.sh --help"
  exit 2
}

# Everything is written below out/; a clone that belongs to someone else is told, not half-built.
prepare_out() {
  if ! mkdir -p -- "$out/log" "$out/stamp" 2>/dev/null || [[ ! -w $out/log || ! -w $out/stamp ]]; then
    say "build.sh: $(id -un 2>/dev/null || id -u) cannot write below $out (a read-only or full file system, or another user's clone):"
    say "  clone the project as this user, where there is room for $room_needed"
    exit 3
  fi
}

stop_step() {
  [[ -z $step_pid ]] || kill -TERM "$step_pid" 2>/dev/null || true
  exit 130
}
trap stop_step INT TERM

# Nothing fails silently: what no step expected is told with its place.
trap 'say "build.sh: unexpected failure at ${BASH_SOURCE[0]}:$LINENO: $BASH_COMMAND"' ERR

show_progress() { # label, seconds
  if [[ -t 2 ]]; then
    printf '\r\033[K%s  %d s' "$1" "$2" >&2
  elif (($2 == 5 || ($2 > 0 && $2 % 30 == 0))); then
    say "$1  $2 s"
  fi
}

# Waits for the step in the background; progress goes to the terminal each second, else now and then as a line.
watch_step() { # label
  local seconds=0 tick=0
  while kill -0 "$step_pid" 2>/dev/null; do
    # The first second is polled finely: most steps of an unchanged tree end in it.
    if ((tick < 20)); then
      sleep 0.05
      tick=$((tick + 1))
      continue
    fi
    show_progress "$1" "$seconds"
    sleep 1
    seconds=$((seconds + 1))
  done
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# Runs a command in the project's root; its output goes to out/log/NAME.log. Returns its exit code.
run_logged() { # label, name, command...
  local label="$1" log="$out/log/$2.log" status=0
  shift 2
  prepare_out
  # The lock's descriptor is closed: a compiler server that outlives the step must not hold it.
  (cd -- "$root" && exec "$@") >"$log" 2>&1 </dev/null 9>&- &
  step_pid=$!
  watch_step "$label"
  wait "$step_pid" || status=$?
  step_pid=""
  return "$status"
}

# Tools say it in many ways, or not at all when their log found no room either.
tell_full_disk() { # log
  local left
  left="$(df --output=avail -k -- "$out" 2>/dev/null | tail -n 1)"
  if ((${left:-1048576} < 4096)) || grep -q -i 'no space left\|disk quota exceeded' -- "$1" 2>/dev/null; then
    say "The file system of $out is full ($((${left:-0} / 1024)) MiB left): make room for $room_needed, then try again."
  fi
}

# A failure of run_logged ends build.sh with the end of the log.
fail_step() { # label, name, exit code
  say "FAILED: $1 (exit code $3); the end of its log:"
  tail -n 40 -- "$out/log/$2.log" >&2 || true
  say "Whole log: $out/log/$2.log"
  tell_full_disk "$out/log/$2.log"
  exit 1
}

run_step() { # label, name, command...
  local status=0
  run_logged "$@" || status=$?
  ((status == 0)) || fail_step "$1" "$2" "$status"
}

# One invocation builds at a time. A build.sh that a test starts runs below one that holds the lock already.
lock_build() {
  [[ -z ${WAYANG_BUILD_LOCKED:-} ]] || return 0
  prepare_out
  exec 9>"$out/.lock"
  if ! flock --nonblock 9; then
    say "another build.sh is at work in $root; waiting for it"
    flock 9
  fi
  export WAYANG_BUILD_LOCKED=1
}

unlock_build() {
  exec 9>&-
  unset WAYANG_BUILD_LOCKED
}

# True when NAME was stamped with this very text.
stamp_is() { [[ -f $out/stamp/$1 && "$(<"$out/stamp/$1")" == "$2" ]]; }
stamp() { printf '%s' "$2" >"$out/stamp/$1"; }

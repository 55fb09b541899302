# shellcheck shell=bash disable=SC2154 # root, out and install are set by build.sh
# Runs the test suites one after the other and sums their results. Sourced by build.sh.

readonly suite_timeout=1800 # seconds; also the longest time that one native suite may take
total_passed=0
total_failed=0
total_skipped=0

# Adds a suite's results: the reader prints details on stderr and "passed failed skipped" on stdout.
count_suite() { # suite, exit code, report, seconds
  local passed=0 failed=0 skipped=0 counts
  counts="$(/usr/bin/python3 "$root/scripts/results.py" "$1" "$2" "$3" "$out/log/$1.log" 2>>"$out/log/details")"
  read -r passed failed skipped <<<"$counts"
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  total_skipped=$((total_skipped + skipped))
  printf '%-34s %5d passed %3d failed %3d skipped %5d s\n' "$1" "$passed" "$failed" "$skipped" "$4"
}

run_suite() { # suite, report, command...
  local suite="$1" report="$2" status=0 start=$SECONDS
  shift 2
  rm -f -- "$report"
  run_logged "testing $suite" "$suite" timeout --kill-after=10 "$suite_timeout" "$@" || status=$?
  count_suite "$suite" "$status" "$report" "$((SECONDS - start))"
}

wanted() { [[ -z $filter || $1 == *"$filter"* ]]; }

# TSan of older compilers knows only a narrow range of address layouts: randomisation is off for sanitized programs.
run_native_suite() { # preset
  local -a prefix=()
  wanted "native-$1" || return 0
  build_native "$1"
  if [[ $1 != release ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
    prefix=(setarch "$(uname -m)" -R)
  fi
  ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:${ASAN_OPTIONS:-}" \
    TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}" \
    UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}" \
    run_suite "native-$1" "$out/log/native-$1.xml" "${prefix[@]}" ctest --test-dir "$out/native/$1" --timeout 300 \
    --no-tests=ignore --output-on-failure --output-junit "$out/log/native-$1.xml"
}

run_managed_suite() { # project folder
  local suite
  suite="$(basename -- "$1")"
  wanted "$suite" || return 0
  run_suite "$suite" "$out/log/$suite.json" "$out/managed/bin/$suite/release/$suite" \
    -noColor -noLogo -longRunning 60 -ctrf "$out/log/$suite.json"
}

run_all_suites() {
  local folder preset
  for preset in release asan tsan; do
    run_native_suite "$preset"
  done
  for folder in "$root"/tests/*.Tests; do
    run_managed_suite "$folder"
  done
}

wants_managed() {
  local folder
  for folder in "$root"/tests/*.Tests; do
    ! wanted "$(basename -- "$folder")" || return 0
  done
  return 1
}

suite_names() {
  printf '%s\n' native-release native-asan native-tsan
  find "$root/tests" -maxdepth 1 -name '*.Tests' -printf '%f\n' | LC_ALL=C sort
  [[ ${WAYANG_TEST_DEMO:-} != 1 ]] || printf 'demo\n'
}

# Only what the wanted suites need.
build_for_tests() {
  ensure_deps test
  lock_build
  build_native release
  if wants_managed || [[ ${WAYANG_TEST_DEMO:-} == 1 ]]; then
    build_host
    build_project tests Wayang.Fast.sln
    fetch_vectors
    if wanted Wayang.Fast.EndToEnd.Tests; then
      fetch_clients
    fi
    fetch_prometheus
  fi
  install_native
}

# One short demo, where a caller asks for it: it counts as one test.
run_demo_suite() {
  [[ ${WAYANG_TEST_DEMO:-} == 1 ]] && wanted demo || return 0
  run_suite demo "$out/log/demo.none" "$install/bin/wayang" demo
}

print_total() {
  [[ ! -s $out/log/details ]] || cat -- "$out/log/details"
  if ((total_skipped > 0)); then
    printf '%d passed, %d failed, %d skipped\n' "$total_passed" "$total_failed" "$total_skipped"
  else
    printf '%d passed, %d failed\n' "$total_passed" "$total_failed"
  fi
  ((total_failed == 0 && total_passed > 0))
}

command_test() {
  filter=""
  while (($# > 0)); do
    case "$1" in
      --filter)
        (($# > 1)) || fail_usage "--filter needs the name of a suite, or a part of it"
        filter="$2"
        shift 2
        ;;
      *) fail_usage "test does not know: $1" ;;
    esac
  done
  # Not a pipe: grep ends at the first match, and what still writes into it would die of SIGPIPE and fail the pipe.
  if ! grep -q -F -- "$filter" <<<"$(suite_names)"; then
    fail_usage "no suite has '$filter' in its name; there are: $(suite_names | tr '\n' ' ')"
  fi
  build_for_tests
  : >"$out/log/details"
  run_all_suites
  run_demo_suite
  print_total || exit 1
}

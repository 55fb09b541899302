#!/bin/bash
# buf curl: no proto file, all by reflection. $1: the program buf.
set -euo pipefail
readonly buf=$1 place="http://127.0.0.1:$WAYANG_GRPC_PORT"

ask() { # METHOD JSON [TOKEN]
  "$buf" curl --protocol grpc --http2-prior-knowledge --header "authorization: Bearer ${3:-$WAYANG_TEST_TOKEN}" --data "$2" "$place/$1"
}

expect() { # WHAT PATTERN TEXT
  [[ $3 =~ $2 ]] || { printf 'no %s in: %s\n' "$2" "$3" >&2; exit 1; }
  printf 'ok buf %s\n' "$1"
}

expect health SERVING "$(ask grpc.health.v1.Health/Check '{}')"
expect node '"version"' "$(ask wayang.runtime.v1.Runtime/NodeInfo '{}')"
expect command '"stdout": *"aGkK"' "$(ask wayang.runtime.v1.Runtime/TaskRun '{"kind": "exec", "argv": ["/bin/echo", "hi"]}')"
expect error '"invalid_argument"' "$(ask wayang.runtime.v1.Runtime/TaskRun '{"kind": "exec"}' 2>&1 || true)"
expect token '"unauthenticated"' "$(ask wayang.runtime.v1.Runtime/NodeInfo '{}' wrong 2>&1 || true)"

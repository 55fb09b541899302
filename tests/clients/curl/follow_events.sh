#!/usr/bin/env bash
# Follows a node's events with curl -N, as server-sent events, across restarts of the node: "ID TYPE" on a line each. Only whole events count: what was cut comes again.
# WAYANG_EVENTS_URL: where; WAYANG_TEST_TOKEN: a token.
set -Eeuo pipefail

last=0
while :; do
  id='' type=''
  while IFS= read -r line; do
    case "$line" in
      'id: '*) id="${line#id: }" ;;
      'event: '*) type="${line#event: }" ;;
      '')
        if [[ -n $id ]]; then
          printf '%s %s\n' "$id" "$type"
          last="$id" id='' type=''
        fi
        ;;
    esac
  done < <(curl -sN -H "authorization: Bearer $WAYANG_TEST_TOKEN" -H 'accept: text/event-stream' -H "last-event-id: $last" "$WAYANG_EVENTS_URL" || true)
  sleep 0.2
done

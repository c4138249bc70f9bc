#!/bin/bash
# down.sh PART… - stops parts started by up.sh, by their saved pids; `disk` unmounts and deletes the engines' disk, `all` does both.
set -u
ROOT=${ROOT:-/var/tmp/strata-bench}
STORE=${STORE:-$ROOT/store}
stop() {
  local file=$ROOT/pids/$1 pid
  rm -f "$ROOT/engines/$1"
  [ -f "$file" ] || return 0
  pid=$(cat "$file")
  kill "$pid" 2>/dev/null
  for _ in $(seq 150); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
  [ -d "/proc/$pid" ] && kill -9 "$pid"
  rm -f "$file"
}
parts=("$@")
if [ "${1:-}" = all ]; then parts=(strata strata_overlay2 podman dockerd registry disk); fi
for part in "${parts[@]}"; do
  if [ "$part" = disk ]; then umount "$STORE" && rm -f "$ROOT/disk.img"; else stop "$part"; fi
done

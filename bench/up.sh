#!/bin/bash
# up.sh PART… - starts parts of the bench, one after the other, in a network namespace of their own:
#   net disk registry images dockerd podman strata_overlay2 strata    (`all`: every one of them, in this order)
# State, logs, pid files and the engines' specs for run.mjs lie under $ROOT; down.sh stops what was started here.
set -eu
HERE=$(dirname "$(readlink -f "$0")")
ROOT=${ROOT:-/var/tmp/strata-bench}
STORE=${STORE:-$ROOT/store}  # where the engines keep images; see `disk`
NS=${NS:-perf}
mkdir -p "$ROOT/pids" "$ROOT/logs" "$ROOT/engines"

# TMPDIR: podman unpacks build contexts and archives there, the others keep theirs under the data root.
export TMPDIR=$STORE/tmp

# nsenter, not `ip netns exec`: the latter remounts /sys and hides the cgroup mounts.
# Each part gets the cpuacct cgroup /perf-NAME/daemon, so that run.mjs can read its CPU time.
spawn() { # name command...
  local name=$1; shift
  local group=/sys/fs/cgroup/cpuacct/perf-$name/daemon
  mkdir -p "$group" 2>/dev/null || group=
  nsenter --net="/run/netns/$NS" setsid sh -c 'if [ -n "$0" ]; then echo $$ >"$0/cgroup.procs"; fi; exec "$@"' \
    "$group" "$@" >"$ROOT/logs/$name.log" 2>&1 </dev/null &
  echo $! >"$ROOT/pids/$name"
}
wait_for() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "timeout: $*" >&2; return 1; }
alive() { [ -f "$ROOT/pids/$1" ] && [ -d "/proc/$(cat "$ROOT/pids/$1")" ]; }
engine() { echo "$1=$2" >"$ROOT/engines/$1"; } # name socket[;options]

net() {
  ip netns list | grep -qw "$NS" || ip netns add "$NS"
  ip -n "$NS" link set lo up
}

# A journaled ext4 in a loop file. Where / is an ext4 without a journal, creating files soon after a
# mass delete (a pull after an rmi) measured 4 to 15 times slower and grew from round to round.
disk() {
  mountpoint -q "$STORE" && return
  truncate -s 24G "$ROOT/disk.img"
  mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$ROOT/disk.img"
  mkdir -p "$STORE"
  mount -o loop "$ROOT/disk.img" "$STORE"
}

registry() {
  mkdir -p "$ROOT/registry"
  cat >"$ROOT/registry.yml" <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $ROOT/registry}, delete: {enabled: true}}
http: {addr: 127.0.0.1:5000}
YML
  spawn registry docker-registry serve "$ROOT/registry.yml"
  wait_for nsenter --net="/run/netns/$NS" curl -sf http://127.0.0.1:5000/v2/
}

images() {
  [ -d "$ROOT/data/minbase" ] || { mkdir -p "$ROOT/data"; debootstrap --variant=minbase bookworm "$ROOT/data/minbase"; }
  nsenter --net="/run/netns/$NS" node "$HERE/gen.mjs" "$ROOT/data" --registry=http://127.0.0.1:5000 --contexts
}

dockerd() {
  mkdir -p "$ROOT/dockerd" "$TMPDIR"
  spawn dockerd /usr/sbin/dockerd --data-root "$STORE/dockerd" --exec-root "$ROOT/dockerd/exec" \
    --pidfile "$ROOT/dockerd/pid" -H "unix://$ROOT/dockerd/docker.sock" --bip 172.29.0.1/16 \
    --exec-opt native.cgroupdriver=cgroupfs --storage-driver overlay2 --cgroup-parent /perf-dockerd
  wait_for curl -sf --unix-socket "$ROOT/dockerd/docker.sock" http://d/_ping
  engine dockerd "$ROOT/dockerd/docker.sock;cg=/perf-dockerd"
}

# With its default driver, and once more beside it with overlay2.
strata() { strata_with strata 172.31.0.1/16; }
strata_overlay2() { strata_with strata_overlay2 172.27.0.1/16 --storage-driver overlay2; }
strata_with() { # name address options...
  local name=$1 address=$2; shift 2
  mkdir -p "$ROOT/$name" "$TMPDIR"
  spawn "$name" node "$HERE/../packages/daemon/bin/stratad.js" --data-root "$STORE/$name" --exec-root "$ROOT/$name/exec" \
    --pidfile "$ROOT/$name/pid" -H "unix://$ROOT/$name/strata.sock" --bip "$address" "$@"
  wait_for curl -sf --unix-socket "$ROOT/$name/strata.sock" http://d/_ping
  engine "$name" "$ROOT/$name/strata.sock;cg=/perf-$name"
}

podman() {
  local P=$ROOT/podman; mkdir -p "$P/tmp" "$TMPDIR"
  cat >"$P/containers.conf" <<CONF
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
tmp_dir = "$P/tmp"
helper_binaries_dir = ["/usr/lib/podman"]
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=32768:32768"]
[network]
network_backend = "netavark"
network_config_dir = "$P/networks"
default_subnet = "10.88.0.0/16"
CONF
  cat >"$P/registries.conf" <<CONF
unqualified-search-registries = ["127.0.0.1:5000"]
[[registry]]
location = "127.0.0.1:5000"
insecure = true
CONF
  cat >"$P/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$STORE/podman"
runroot = "$P/run"
CONF
  export CONTAINERS_CONF=$P/containers.conf CONTAINERS_REGISTRIES_CONF=$P/registries.conf CONTAINERS_STORAGE_CONF=$P/storage.conf
  # crun refuses cgroup v1 with a populated unified hierarchy: hide it in a private mount namespace.
  spawn podman unshare --mount --propagation private sh -c \
    'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' sh podman --root "$STORE/podman" --runroot "$P/run" --tmpdir "$P/tmp" --cgroup-manager cgroupfs \
    --network-config-dir "$P/networks" --runtime crun system service --time=0 "unix://$P/podman.sock"
  wait_for curl -sf --unix-socket "$P/podman.sock" http://d/_ping
  engine podman "$P/podman.sock;cg=/perf-podman+/libpod_parent"
}

parts=("$@")
if [ "${1:-}" = all ]; then parts=(net disk registry images dockerd podman strata_overlay2 strata); fi
[ ${#parts[@]} -gt 0 ] || { echo "usage: up.sh all|net|disk|registry|images|dockerd|podman|strata_overlay2|strata …" >&2; exit 2; }
for part in "${parts[@]}"; do
  case $part in
    registry | dockerd | podman | strata | strata_overlay2) alive "$part" || "$part" ;;
    net | disk | images) "$part" ;;
    *) echo "up.sh: no such part: $part" >&2; exit 2 ;;
  esac
done

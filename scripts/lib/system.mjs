// System packages: what is missing, and how this machine's package manager gets it.
import { existsSync, readdirSync } from "node:fs";
import { SetupError, run, say, which } from "./common.mjs";

/** A cgroup v1 (or hybrid) machine: crun before 1.9 refuses some of those, runc does not. */
const legacyCgroups = () => !existsSync("/sys/fs/cgroup/cgroup.controllers");

/**
 * What the daemon runs. `met`: there already; `optional`: it goes on without, only slower.
 * Package names by manager.
 */
const daemonNeeds = [
  { what: "an OCI runtime", met: () => Boolean(which("runc") || (which("crun") && !legacyCgroups())), apt: ["runc"], dnf: ["runc"] },
  { what: "conmon", met: () => Boolean(which("conmon")), apt: ["conmon"], dnf: ["conmon"] },
  { what: "nft", met: () => Boolean(which("nft")), apt: ["nftables"], dnf: ["nftables"] },
  { what: "igzip", met: () => Boolean(which("igzip")), apt: ["isal"], dnf: ["isa-l-tools"], optional: true },
];

/** What compiles better-sqlite3 where no prebuilt binary can be had. */
const compilerNeeds = [
  { what: "a C++ compiler", met: () => Boolean(which("g++") || which("c++")), apt: ["g++"], dnf: ["gcc-c++"] },
  { what: "make", met: () => Boolean(which("make")), apt: ["make"], dnf: ["make"] },
  { what: "python3", met: () => Boolean(which("python3")), apt: ["python3"], dnf: ["python3"] },
];

const managers = {
  apt: {
    program: "apt-get",
    args: ["install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300"],
    refresh: () => run("apt-get", ["update", "-q"], { env: environment() }),
    fresh: () => hasPackageLists(),
  },
  dnf: { program: "dnf", args: ["install", "-y", "-q", "--setopt=install_weak_deps=False"], refresh: () => 0, fresh: () => true },
};

const environment = () => ({ ...process.env, DEBIAN_FRONTEND: "noninteractive" });
const isRoot = () => process.getuid?.() === 0;

function hasPackageLists() {
  try { return readdirSync("/var/lib/apt/lists").some((name) => name.includes("Packages")); } catch { return false; }
}

function packageManager() {
  return Object.keys(managers).find((name) => which(managers[name].program));
}

/** Exact words a user can paste. */
const commandLine = (manager, packages) => `sudo ${manager.program} install -y ${packages.join(" ")}`;

function install(needs) {
  const missing = needs.filter((need) => !need.met());
  if (missing.length === 0) return;
  const required = missing.filter((need) => !need.optional);
  const names = (list) => list.map((need) => need.what).join(", ");
  const kind = packageManager();
  if (!kind) {
    if (required.length > 0) throw new SetupError(`missing: ${names(required)}; neither apt-get nor dnf is here, please install them`);
    return;
  }
  const manager = managers[kind];
  if (!isRoot()) {
    if (required.length > 0) throw new SetupError(`missing: ${names(required)}. Run this, then try again:\n  ${commandLine(manager, missing.flatMap((need) => need[kind]))}`);
    return;
  }
  say(`installing ${names(missing)}`);
  if (!manager.fresh()) manager.refresh();
  const attempt = (list) => list.length === 0 || run(manager.program, [...manager.args, ...list.flatMap((need) => need[kind])], { env: environment() }) === 0;
  if (!attempt(missing)) {
    manager.refresh();
    if (!attempt(required)) throw new SetupError(`could not install ${names(required)}; see the messages of ${manager.program} above`);
    for (const need of missing.filter((candidate) => candidate.optional)) attempt([need]);
  }
  const still = required.filter((need) => !need.met());
  if (still.length > 0) throw new SetupError(`${names(still)} still missing after the installation`);
}

/** Installs what the daemon runs, if anything is missing. */
export const ensureSystemPackages = () => install(daemonNeeds);
/** Installs a compiler; true when one was missing. */
export function ensureCompiler() {
  const missing = compilerNeeds.some((need) => !need.met());
  install(compilerNeeds);
  return missing;
}

/** The daemon mounts, makes namespaces and device nodes. */
export function requireRoot(flags) {
  if (isRoot()) return;
  throw new SetupError(`the daemon mounts file systems and makes namespaces, so it needs root. Run:\n  sudo npm start${flags.length > 0 ? ` -- ${flags.join(" ")}` : ""}`);
}


import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, cached, cachedFolder, Unavailable } from "./cache.js";
import { depmod, type Kernel } from "./kernel.js";

/** The tree with OpenZFS's modules and programs for this kernel, if it was built before. */
export function builtZfs(kernel: Kernel): string | undefined {
  const folder = cached(`zfs-${kernel.version}`).at(-1);
  return folder === undefined ? undefined : join(folder, "tree");
}

/**
 * Builds OpenZFS from Debian's zfs-dkms (contrib, backports where there are any), with package lists of its own: nothing
 * is installed here and /etc/apt stays as it is. Five minutes of a processor, at low priority; the result, 14 MB, is kept.
 */
export async function ensureZfs(kernel: Kernel): Promise<string> {
  const folder = builtZfs(kernel) ?? join(await cachedFolder(`zfs-${kernel.version}`, (scratch) => build(kernel, scratch)), "tree");
  return folder;
}

async function build(kernel: Kernel, folder: string): Promise<void> {
  await bash(download, folder, kernel.version, join(cacheDirectory(), "apt"));
  const privately = process.getuid?.() === 0 ? ["--mount"] : ["--mount", "--map-root-user"];
  await run("unshare", [...privately, "bash", "-euo", "pipefail", "-c", compile, "vm", folder, kernel.version]);
  await bash(install, folder, kernel.version, kernel.tree);
  depmod(join(folder, "merged"), kernel.version, join(kernel.tree, "../System.map"));
  await bash(trim, folder, kernel.version);
  if (!existsSync(join(folder, "tree/usr/lib/modules", kernel.version, "extra/zfs.ko"))) throw new Unavailable("the build of OpenZFS left no module");
}

const download = `folder=$1 version=$2 apt=$3
. /etc/os-release
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' "Created-By: Packages" | awk -v c="$VERSION_CODENAME" '$2 == c && $3 == "main" { print $1; exit }')
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$folder/debs"
for suite in $VERSION_CODENAME $VERSION_CODENAME-backports; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \${mirror:-http://deb.debian.org/debian} $suite main contrib"
done >"$apt/sources.list"
own=(-q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
apt-get "\${own[@]}" update
cd "$folder/debs"
apt-get -q -o APT::Sandbox::User=root download "linux-headers-$version" "linux-headers-\${version%-*}-common" "linux-kbuild-\${version%-*}"
apt-get "\${own[@]}" -t "$VERSION_CODENAME-backports" download zfs-dkms zfsutils-linux
wanted=$(dpkg-deb --field zfsutils-linux_*.deb Depends | tr ',|' '\\n\\n' | awk '$1 ~ /^lib(zfs|zpool|nvpair|uutil)/ { print $1 }')
apt-get "\${own[@]}" -t "$VERSION_CODENAME-backports" download $wanted`;

/** Headers name absolute paths, so they are laid over /usr in a mount namespace. No BTF: that would want pahole. */
const compile = `folder=$1 version=$2 headers=$1/headers
mkdir "$headers"
for deb in "$folder"/debs/{linux-*,zfs-dkms_*}.deb; do dpkg-deb -x "$deb" "$headers"; done
sed -i '/^CONFIG_DEBUG_INFO_BTF/d' "$headers/usr/src/linux-headers-$version/include/config/auto.conf"
mount --make-rprivate /
mount --bind "$headers/usr/src" /usr/src
mount -t overlay overlay -o "lowerdir=$headers/usr/lib:/usr/lib" /usr/lib
cp -a "$headers"/usr/src/zfs-* "$folder/build"
cd "$folder/build"
./configure --prefix=/usr --with-config=kernel --with-linux="/usr/src/linux-headers-\${version%-*}-common" --with-linux-obj="/usr/src/linux-headers-$version"
make -j2 KCFLAGS=-g0`;

/** Usr-merged, as the kernel's tree is. \`merged\` is for depmod, which has to see all modules. */
const install = `folder=$1 version=$2 kernel=$3
mkdir -p "$folder/tree/usr" "$folder/programs"
for deb in "$folder"/debs/*.deb; do case "$deb" in */linux-*|*/zfs-dkms_*) ;; *) dpkg-deb -x "$deb" "$folder/programs" ;; esac; done
for from in "$folder"/programs/{,usr/}{sbin,bin,lib}; do
  [ ! -d "$from" ] || { mkdir -p "$folder/tree/usr/\${from##*/}"; cp -a "$from/." "$folder/tree/usr/\${from##*/}/"; }
done
modules=$folder/tree/usr/lib/modules/$version
mkdir -p "$modules/extra" "$folder/merged/usr/lib/modules"
find "$folder/build/module" -name '*.ko' -exec cp {} "$modules/extra/" \\;
cp -al "$kernel/usr/lib/modules/$version" "$folder/merged/usr/lib/modules/"
cp --remove-destination "$kernel/usr/lib/modules/$version"/modules.* "$folder/merged/usr/lib/modules/$version/"
cp -a "$modules/extra" "$folder/merged/usr/lib/modules/$version/"`;

const trim = `cp "$1/merged/usr/lib/modules/$2"/modules.* "$1/tree/usr/lib/modules/$2/"
rm -rf "$1/merged" "$1/build" "$1/headers" "$1/debs" "$1/programs"`;

const bash = (script: string, ...args: string[]): Promise<void> => run("bash", ["-euo", "pipefail", "-c", script, "vm", ...args]);

/** At low priority; what it said last is the reason when it fails. */
function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn("nice", ["-n", "15", program, ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` } });
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => { tail = (tail + chunk.toString()).slice(-2000); });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? resolve() : reject(new Unavailable(`OpenZFS could not be built: ${tail.trim().split("\n").slice(-2).join("; ")}`)));
  });
}

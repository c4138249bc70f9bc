import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { InvalidArgument, Unavailable } from "../../../core/errors.js";
import { findProgram, run } from "../../../kernel/spawn.js";
import type { Layout } from "./layout.js";
import type { LvmSetup } from "./options.js";

const GROUP = "docker", POOL = "thinpool", PROFILE = "docker-thinpool";

/**
 * Makes LVM set a whole device up as the thin pool docker/thinpool, once. What was done is noted in setup-config.json:
 * another device later is refused. LVM itself extends the pool by the profile's thresholds (dmeventd).
 */
export async function setUpLvm(layout: Layout, setup: LvmSetup): Promise<void> {
  if (existsSync(layout.lvmSetup)) {
    const before = JSON.parse(readFileSync(layout.lvmSetup, "utf8")) as { Device: string };
    if (before.Device !== setup.device) throw new InvalidArgument(`dm.directlvm_device: the pool was made on ${before.Device}; another device (${setup.device}) is LVM's to add`);
    return activate();
  }
  const lvm = lvmProgram();
  await refuseUsed(setup);
  await run(lvm, ["pvcreate", "-y", ...(setup.force ? ["-ff"] : []), setup.device]);
  await run(lvm, ["vgcreate", GROUP, setup.device]);
  await run(lvm, ["lvcreate", "--wipesignatures", "y", "-n", POOL, GROUP, "-l", `${setup.poolPercent}%VG`]);
  await run(lvm, ["lvcreate", "--wipesignatures", "y", "-n", `${POOL}meta`, GROUP, "-l", `${setup.metadataPercent}%VG`]);
  await run(lvm, ["lvconvert", "-y", "--zero", "n", "-c", "512K", "--thinpool", `${GROUP}/${POOL}`, "--poolmetadata", `${GROUP}/${POOL}meta`]);
  mkdirSync("/etc/lvm/profile", { recursive: true });
  writeFileSync(`/etc/lvm/profile/${PROFILE}.profile`, `activation {\n\tthin_pool_autoextend_threshold=${setup.extendThreshold}\n\tthin_pool_autoextend_percent=${setup.extendPercent}\n}\n`);
  await run(lvm, ["lvchange", "--metadataprofile", PROFILE, `${GROUP}/${POOL}`]);
  writeFileSync(layout.lvmSetup, `${JSON.stringify({
    Device: setup.device, ThinpPercent: setup.poolPercent, ThinpMetaPercent: setup.metadataPercent, AutoExtendPercent: setup.extendPercent, AutoExtendThreshold: setup.extendThreshold,
  })}\n`, { mode: 0o600 });
}

function lvmProgram(): string {
  const program = findProgram("lvm");
  if (program === undefined) throw new Unavailable("dm.directlvm_device needs LVM, and there is none (package lvm2)");
  return program;
}
const activate = async (): Promise<void> => { await run(lvmProgram(), ["lvchange", "-ay", "-K", `${GROUP}/${POOL}`]); };

/** Whatever lies on the device already is not for the daemon to destroy, unless told so. */
async function refuseUsed({ device, force }: LvmSetup): Promise<void> {
  const lvm = lvmProgram();
  if ((await run(lvm, ["vgs", "--noheadings", "-o", "vg_name", GROUP], { allow: [0, 5] })).code === 0) throw new Unavailable(`dm.directlvm_device: there is a volume group ${GROUP} already`);
  if (force) return;
  const blkid = findProgram("blkid");
  const found = blkid === undefined ? undefined : await run(blkid, ["-p", "-o", "value", "-s", "TYPE", "-s", "PTTYPE", device], { allow: [0, 2, 8] });
  if (found === undefined || found.code !== 2) throw new InvalidArgument(`dm.directlvm_device: ${device} holds something (${found?.stdout.trim().replaceAll("\n", ", ") ?? "no blkid to tell what"}); dm.directlvm_device_force=true wipes it`);
}

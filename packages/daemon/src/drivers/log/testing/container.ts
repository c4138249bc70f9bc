import type { Container, ContainerId } from "../../../core/index.js";

/** A container that logs are of. */
export const container: Container = {
  id: "0123456789abcdef".repeat(4) as ContainerId, name: "box", imageId: `sha256:${"f".repeat(64)}` as Container["imageId"], imageName: "shop/web:1", createdAt: 0, path: "run", args: [],
  config: { Labels: { colour: "blue", "com.shop.tier": "front", other: "x" }, Env: ["STAGE=test", "EMPTY=", "PATH=/bin"] }, hostConfig: {}, networks: {}, mounts: [], driver: "vfs",
  state: { status: "running", pid: 1, exitCode: 0, error: "", oomKilled: false, restartCount: 0 },
};

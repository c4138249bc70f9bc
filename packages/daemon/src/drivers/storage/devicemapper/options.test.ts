import { parseDmOptions } from "./options.js";

describe("options of devicemapper", () => {
  const parse = (options: Record<string, string>): ReturnType<typeof parseDmOptions> => parseDmOptions(new Map(Object.entries(options)));
  const GIB = 2 ** 30;

  test("without any: what there is decides, removal and deletion wait for the last user", () => {
    expect(parse({})).toEqual({
      baseSize: undefined, loopDataSize: undefined, loopMetadataSize: undefined, fs: undefined, mkfsArguments: [], mountOptions: [], blockSectors: undefined,
      discard: true, minFreePercent: 10, deferredRemoval: true, deferredDeletion: true, xfsRetries: 0, place: { kind: "loop" },
    });
  });
  test("sizes, lists, numbers", () => {
    expect(parse({
      "dm.basesize": "20G", "dm.loopdatasize": "200GB", "dm.loopmetadatasize": "4g", "dm.fs": "ext4", "dm.mkfsarg": "-O ^metadata_csum -m 0", "dm.mountopt": "noatime,nodiratime", "dm.blocksize": "512K", "dm.blkdiscard": "false",
      "dm.min_free_space": "0%", "dm.use_deferred_removal": "false", "dm.xfs_nospace_max_retries": "3", "dm.override_udev_sync_check": "true",
    })).toEqual({
      baseSize: 20 * GIB, loopDataSize: 200 * GIB, loopMetadataSize: 4 * GIB, fs: "ext4", mkfsArguments: ["-O", "^metadata_csum", "-m", "0"], mountOptions: ["noatime", "nodiratime"], blockSectors: 1024,
      discard: false, minFreePercent: 0, deferredRemoval: false, deferredDeletion: false, xfsRetries: 3, place: { kind: "loop" },
    });
  });
  test("a pool that is there: by name or by path; nothing is discarded before deletion", () => {
    for (const given of ["docker-thinpool", "/dev/mapper/docker-thinpool"]) expect(parse({ "dm.thinpooldev": given })).toMatchObject({ place: { kind: "pool", name: "docker-thinpool" }, discard: false });
  });

  const wrong: Record<string, Record<string, string>> = {
    "dm.basesize": { "dm.basesize": "ten" }, "dm.basesize: ": { "dm.basesize": "1M" }, "dm.loopdatasize": { "dm.loopdatasize": "-5G" }, "dm.loopmetadatasize": { "dm.loopmetadatasize": "" },
    "dm.fs": { "dm.fs": "btrfs" }, "dm.blocksize": { "dm.blocksize": "100K" }, "dm.blkdiscard": { "dm.blkdiscard": "maybe" }, "dm.min_free_space": { "dm.min_free_space": "10" },
    "dm.min_free_space: ": { "dm.min_free_space": "100%" }, "dm.use_deferred_removal": { "dm.use_deferred_removal": "2" }, "dm.use_deferred_deletion": { "dm.use_deferred_removal": "false", "dm.use_deferred_deletion": "true" },
    "dm.xfs_nospace_max_retries": { "dm.xfs_nospace_max_retries": "often" }, "dm.override_udev_sync_check": { "dm.override_udev_sync_check": "?" },
    "dm.datadev": { "dm.datadev": "/etc/passwd", "dm.metadatadev": "/dev/null" }, "dm.metadatadev": { "dm.datadev": "/dev/sda" }, "dm.thinpooldev": { "dm.thinpooldev": "/dev/vg/pool" },
    "dm.loopdatasize does not go": { "dm.thinpooldev": "p", "dm.loopdatasize": "1G" }, "dm.thinpooldev and dm.directlvm_device": { "dm.thinpooldev": "p", "dm.directlvm_device": "/dev/null" },
    "dm.directlvm_device": { "dm.directlvm_device": "/nowhere" }, "dm.thinp_percent": { "dm.thinp_percent": "95" }, "dm.directlvm_device_force": { "dm.directlvm_device_force": "true" },
  };
  test.each(Object.keys(wrong))("refused, and named: %s", (name) => {
    let error: unknown;
    try { parse(wrong[name]!); } catch (e) { error = e; }
    expect(error).toMatchObject({ code: "InvalidArgument", message: expect.stringContaining(name.replace(/: $/, "")) });
  });
});

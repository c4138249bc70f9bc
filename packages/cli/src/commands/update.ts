import type { ContainerUpdateRequest } from "@strata/client";
import { CliError, forEachName } from "../cli.js";
import { defineCommand } from "../command.js";
import { parseBytes } from "../format/units.js";
import { parseCpus, parseRestart, unlimited } from "../run/values.js";

interface UpdateFlags {
  blkioWeight?: number; cpuPeriod?: number; cpuQuota?: number; cpuRtPeriod?: number; cpuRtRuntime?: number; cpuShares?: number; cpus?: number; cpusetCpus?: string; cpusetMems?: string;
  memory?: number; memoryReservation?: number; memorySwap?: number; pidsLimit?: number; restart?: ContainerUpdateRequest["RestartPolicy"];
}

export const command = defineCommand<UpdateFlags>({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  options: (options) => options
    .integer("--blkio-weight <uint16>", "Weight of its block I/O, 10 to 1000")
    .integer("--cpu-period <int>", "Period of the CPU quota, in microseconds")
    .integer("--cpu-quota <int>", "CPU time in each period, in microseconds")
    .integer("--cpu-rt-period <int>", "Period of the real-time budget, in microseconds")
    .integer("--cpu-rt-runtime <int>", "Real-time budget, in microseconds")
    .integer("-c, --cpu-shares <int>", "Weight of its CPU time")
    .parsed("--cpus <decimal>", "Number of CPUs", parseCpus)
    .value("--cpuset-cpus <string>", "CPUs it may run on: 0-3, 0,1")
    .value("--cpuset-mems <string>", "Memory nodes it may use: 0-3, 0,1")
    .parsed("-m, --memory <bytes>", "Limit of memory", parseBytes)
    .parsed("--memory-reservation <bytes>", "Memory that it keeps when there is little", parseBytes)
    .parsed("--memory-swap <bytes>", "Limit of memory and swap; -1 for none", unlimited(parseBytes))
    .integer("--pids-limit <int>", "Limit of processes; -1 for none")
    .parsed("--restart <string>", "When it ends: no, always, unless-stopped, on-failure[:max]", parseRestart),
  async run(cli, names, flags) {
    if (Object.values(flags).every((value) => value === undefined)) throw new CliError("you must provide one or more flags when using this command");
    const changes: ContainerUpdateRequest = {
      BlkioWeight: flags.blkioWeight, CpuPeriod: flags.cpuPeriod, CpuQuota: flags.cpuQuota, CpuRealtimePeriod: flags.cpuRtPeriod, CpuRealtimeRuntime: flags.cpuRtRuntime, CpuShares: flags.cpuShares,
      NanoCpus: flags.cpus, CpusetCpus: flags.cpusetCpus, CpusetMems: flags.cpusetMems, Memory: flags.memory, MemoryReservation: flags.memoryReservation, MemorySwap: flags.memorySwap,
      PidsLimit: flags.pidsLimit, RestartPolicy: flags.restart,
    };
    await forEachName(cli, names, async (name) => {
      const { Warnings } = await cli.client.containers.update(name, changes);
      for (const warning of Warnings ?? []) cli.warn(warning);
    });
  },
});

import { writeSync } from "node:fs";
import { pino } from "pino";
import { readInvocation, rereadConfig, type Config } from "./config.js";
import { checkLogOptions } from "./containers.js";
import { messageOf, systemClock } from "./core/index.js";
import { startDaemon } from "./daemon.js";
import { putAnswersAhead } from "./kernel/priority.js";
import { checkSchedules } from "./gc/scheduler.js";
import { checkRegistries } from "./registries.js";
import { parseStorageOptions } from "./storage.js";
import { readBuild } from "./version.js";

/** What to tell clients: how to reach the daemon. */
function address(config: Config): string {
  const [host] = config.hosts;
  return host === undefined || host.kind === "fd" ? "fd://" : host.kind === "unix" ? `unix://${host.path}` : `tcp://${host.host}:${host.port}`;
}

async function main(): Promise<void> {
  const build = readBuild();
  const invocation = readInvocation(process.argv.slice(2), build.version);
  if (invocation.kind === "print") {
    writeSync(1, invocation.text);
    return;
  }
  let { config } = invocation;
  parseStorageOptions(config.storageOpts);
  checkRegistries(config);
  checkLogOptions(config, systemClock);
  checkSchedules(config.gc, "gc: ");
  if (invocation.kind === "validate") {
    writeSync(1, "configuration OK\n");
    return;
  }
  if (process.getuid?.() !== 0) throw new Error("the daemon must run as root");
  const level = (): string => (config.debug ? "debug" : config.logLevel);
  const logger = pino({ level: level(), base: undefined }, pino.destination({ fd: 2, sync: true }));
  const started = performance.now();
  await putAnswersAhead();
  const daemon = await startDaemon(config, build, logger);

  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, "stopping");
    daemon.stop().then(() => process.exit(0), (err: unknown) => {
      logger.fatal({ err }, "could not stop in order");
      process.exit(1);
    });
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop(signal));
  process.on("SIGHUP", () => {
    try {
      const next = rereadConfig(config);
      checkSchedules(next.gc, "gc: ");
      config = next;
      logger.level = level();
      daemon.reload(config);
      logger.info({ file: config.configFile }, "configuration read again; what cannot change while running waits for a restart");
    } catch (err) {
      logger.error({ err }, `the configuration stays as it was: ${messageOf(err)}`);
    }
  });
  process.on("unhandledRejection", (err) => logger.error({ err }, `a failure that nobody handled: ${messageOf(err)}`));

  const at = address(config);
  logger.info({ ms: Math.round(performance.now() - started), storageDriver: daemon.storageDriver }, "ready");
  writeSync(1, `Strata ${build.version} is ready on ${at}, storage driver ${daemon.storageDriver}. Next: DOCKER_HOST=${at} docker run --rm busybox echo hello\n`);
}

main().catch((error: unknown) => {
  writeSync(2, `stratad: ${messageOf(error)}\n`);
  process.exit(1);
});

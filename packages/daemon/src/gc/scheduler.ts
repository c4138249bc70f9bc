import { schedule, validate, type ScheduledTask } from "node-cron";
import { InvalidArgument, type GcSettings, type Policy } from "../core/index.js";

/** InvalidArgument naming the field, for what is no cron expression. */
export function checkSchedules({ schedule: common, policies }: GcSettings, prefix = ""): void {
  const check = (place: string, text: string | undefined): void => {
    if (text !== undefined && !validate(text)) throw new InvalidArgument(`${prefix}${place}: ${JSON.stringify(text)} is not a cron expression`);
  };
  check("schedule", common);
  policies.forEach((policy, i) => check(`policies[${i}].schedule`, policy.schedule));
}

/** Runs policies at their times. */
export class Scheduler {
  private tasks: ScheduledTask[] = [];

  constructor(private readonly run: (policies: readonly Policy[]) => Promise<unknown>) {}

  /** Takes the place of what was configured before. */
  configure({ schedule: common, policies }: GcSettings): void {
    this.close();
    const times = new Map<string, Policy[]>();
    for (const policy of policies) {
      const time = policy.schedule ?? common;
      if (time !== undefined) times.set(time, [...(times.get(time) ?? []), policy]);
    }
    this.tasks = [...times].map(([time, due]) => schedule(time, () => this.run(due), { noOverlap: true }));
  }

  close(): void {
    for (const task of this.tasks.splice(0)) void task.destroy();
  }
}

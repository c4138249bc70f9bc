import type { DiskMark, DiskState, Measure, Usage } from "../core/index.js";

const bytesOf = (measure: Measure, whole: number): number => ("bytes" in measure ? measure.bytes : measure.fraction * whole);

/** How much must go so that the file system, with `room` more bytes on it, is at the mark or on its good side. */
export function missing({ used, free, inodes }: DiskMark, disk: DiskState, room = 0): Usage {
  const whole = disk.used + disk.free;
  const bytes = [
    ...(used === undefined ? [] : [disk.used + room - bytesOf(used, whole)]),
    ...(free === undefined ? [] : [bytesOf(free, whole) - (disk.free - room)]),
  ];
  return { bytes: Math.max(0, Math.ceil(Math.max(0, ...bytes))), inodes: inodes === undefined ? 0 : Math.max(0, Math.ceil(disk.inodes - disk.inodesFree - bytesOf(inodes, disk.inodes))) };
}

/** Whether the mark is crossed. */
export function isCrossed(mark: DiskMark, disk: DiskState, room = 0): boolean {
  const { bytes, inodes } = missing(mark, disk, room);
  return bytes > 0 || inodes > 0;
}

/** `disk below 80%`, `10737418240 bytes free`: for people. */
export function describe({ used, free, inodes }: DiskMark): string {
  const say = (m: Measure): string => ("bytes" in m ? `${m.bytes} bytes` : `${Math.round(m.fraction * 1000) / 10}%`);
  return [...(used ? [`disk below ${say(used)}`] : []), ...(free ? [`${say(free)} free`] : []), ...(inodes ? [`inodes below ${say(inodes)}`] : [])].join(" and ");
}

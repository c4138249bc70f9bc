import type { Platform } from "@strata/oci";

/** Proxies may be given without being declared; they are no part of what a step depends on. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [name, name.toLowerCase()]);

/** For the builder itself. */
const SETTINGS = ["SOURCE_DATE_EPOCH", "BUILDKIT_INLINE_CACHE", "BUILDKIT_CONTEXT_KEEP_GIT_DIR"];

/** Values that the builder itself gives, where a stage declares them. */
export function platformArgs(target: Platform, host: Platform): Map<string, string> {
  const of = (prefix: string, { os, architecture, variant }: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, [os, architecture, ...(variant ? [variant] : [])].join("/")], [`${prefix}OS`, os], [`${prefix}ARCH`, architecture], [`${prefix}VARIANT`, variant ?? ""],
  ];
  return new Map([...of("BUILD", host), ...of("TARGET", target)]);
}

/** Build arguments: what the user gave (null: take no value), what stands before the first FROM, what a stage declares. */
export class BuildArgs {
  private readonly declared = new Map<string, string | undefined>();

  constructor(
    private readonly given: ReadonlyMap<string, string | null>, private readonly builtin: ReadonlyMap<string, string>,
    /** Arguments before the first FROM, and which of those given were asked for; both common to all stages. */
    private readonly globals: Map<string, string | undefined> = new Map(), private readonly asked = new Set<string>(),
  ) {}

  /** A stage begins with nothing declared. */
  forStage(): BuildArgs { return new BuildArgs(this.given, this.builtin, this.globals, this.asked); }

  declareGlobal(name: string, value: string | undefined): void {
    this.asked.add(name);
    this.globals.set(name, this.given.get(name) ?? value);
  }
  /** In FROM. */
  global(name: string): string | undefined { return this.globals.get(name) ?? this.builtin.get(name); }

  declare(name: string, value: string | undefined): void {
    this.asked.add(name);
    this.declared.set(name, this.given.get(name) ?? value ?? this.globals.get(name) ?? this.builtin.get(name));
  }
  value(name: string): string | undefined { return this.declared.get(name) ?? (PROXIES.includes(name) ? this.given.get(name) ?? undefined : undefined); }

  /** Declared ones that have a value, in order of their names: what a command depends on. */
  values(): [name: string, value: string][] {
    return [...this.declared].filter((pair): pair is [string, string] => pair[1] !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
  }
  /** Proxies that were given and not declared. */
  proxies(): [name: string, value: string][] {
    return [...this.given].filter((pair): pair is [string, string] => pair[1] !== null && PROXIES.includes(pair[0]) && !this.declared.has(pair[0]));
  }
  /** Given, and of no use to anybody. */
  unused(): string[] { return [...this.given.keys()].filter((name) => !this.asked.has(name) && !PROXIES.includes(name) && !SETTINGS.includes(name)).sort(); }
}

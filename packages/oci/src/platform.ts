/** OCI platform (image-spec, image-index.md "platform"). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
}

const ARCH: Readonly<Record<string, Partial<Platform> & { architecture: string }>> = {
  x64: { architecture: "amd64" },
  x86_64: { architecture: "amd64" },
  "x86-64": { architecture: "amd64" },
  ia32: { architecture: "386" },
  i386: { architecture: "386" },
  aarch64: { architecture: "arm64" },
  armhf: { architecture: "arm", variant: "v7" },
  armel: { architecture: "arm", variant: "v6" },
  arm: { architecture: "arm", variant: "v7" },
  arm64: { architecture: "arm64" },
};

/** Platform of this host from Node's `process.arch`. */
export function hostPlatform(arch: string = process.arch): Platform {
  return normalizePlatform({ os: "linux", architecture: arch });
}

/** Canonical architecture names and variants (arm64/v8 is arm64). */
export function normalizePlatform(p: Platform): Platform {
  const lower = p.architecture.toLowerCase(), known = ARCH[lower];
  const architecture = known?.architecture ?? lower;
  let variant = p.variant?.toLowerCase() ?? known?.variant;
  if (architecture === "arm64" && (variant === "v8" || variant === "8")) variant = undefined;
  if (variant !== undefined && /^\d+$/.test(variant)) variant = `v${variant}`;
  return { ...p, os: p.os.toLowerCase(), architecture, ...(variant === undefined ? { variant: undefined } : { variant }) };
}

/** A configuration that does not say what it is for is for this machine. */
export function withPlatform<T extends Partial<Record<keyof Platform, unknown>>>(config: T): T {
  const host = hostPlatform();
  return { ...config, os: config.os || host.os, architecture: config.architecture || host.architecture };
}

/** Parses `os[/arch[/variant]]`; undefined when the text is not of that form. */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform | undefined {
  const parts = text.split("/");
  if (parts.length > 3 || parts.some((p) => !/^[A-Za-z0-9_.-]+$/.test(p))) return undefined;
  if (parts.length === 1) {
    return /^(linux|windows|darwin|freebsd)$/i.test(parts[0]!) ? normalizePlatform({ ...host, os: parts[0]! }) : normalizePlatform({ os: host.os, architecture: parts[0]! });
  }
  return normalizePlatform({ os: parts[0]!, architecture: parts[1]!, ...(parts[2] ? { variant: parts[2] } : {}) });
}

/** `os/arch[/variant]`. */
export function formatPlatform(p: Platform): string {
  return [p.os, p.architecture, p.variant].filter(Boolean).join("/");
}

/**
 * How well `candidate` serves `wanted`: higher is better, -1 does not run.
 * An arm host runs lower arm variants; amd64 runs 386 only when asked for.
 */
export function platformScore(wanted: Platform, candidate: Platform): number {
  const w = normalizePlatform(wanted), c = normalizePlatform(candidate);
  if (w.os !== c.os || w.architecture !== c.architecture) return -1;
  if (w.variant === c.variant) return 100;
  if (c.variant === undefined) return 50;
  const wv = Number(/^v(\d+)/.exec(w.variant ?? "")?.[1] ?? (w.architecture === "arm64" ? 8 : w.architecture === "amd64" ? 1 : 7));
  const cv = Number(/^v(\d+)/.exec(c.variant)?.[1] ?? 99);
  return cv <= wv ? 10 + cv : -1;
}

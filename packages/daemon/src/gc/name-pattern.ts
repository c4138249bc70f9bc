import { familiarOf, Glob } from "@strata/oci";

/** Name with tag or digest, as users know it, and its repository. */
export const formsOf = (full: string): [name: string, repository: string] => {
  const name = familiarOf(full), at = name.indexOf("@");
  return [name, at >= 0 ? name.slice(0, at) : name.slice(0, name.lastIndexOf(":"))];
};

/** A pattern for names of images: it fits the name with its tag or digest, or without. Quick for many names of few repositories. */
export class NamePattern {
  private readonly glob: Glob;
  /** What comes before the first character that may stand for others. */
  private readonly prefix: string;
  private readonly repositories = new Map<string, boolean>();

  constructor(pattern: string) {
    this.glob = new Glob(pattern);
    this.prefix = /^[^*?[\\]*/.exec(pattern)![0];
  }

  fits(full: string): boolean {
    const [name, repository] = formsOf(full);
    if (!name.startsWith(this.prefix)) return false;
    let known = this.repositories.get(repository);
    if (known === undefined) this.repositories.set(repository, (known = this.glob.matches(repository)));
    return known || this.glob.matches(name);
  }
}

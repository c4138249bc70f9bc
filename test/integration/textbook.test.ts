import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, Pty, type TestBed, daemonNeeds, debianTar, mountsBelow, needs, setUp } from "../helpers/index.js";

const walk = needs(...daemonNeeds, "docker", "debootstrap", "pty", "curl");

/** A textbook's chapter on images and containers, step by step, each on the one before. */
describe("from a root file system to a service", () => {
  let bed: TestBed, daemon: Daemon;
  setUp(async (made) => {
    bed = made;
    daemon = await bed.daemon({ storageDriver: "overlay2" });
  });

  const layersOf = async (image: string): Promise<string[]> => (await daemon.inspect(image, "image")).RootFS.Layers as string[];
  const addressOf = (container: string): Promise<string> => daemon.dockerOk("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container);

  walk("the whole walk", async () => {
    // A root file system becomes an image.
    const id = await daemon.dockerOk("import", await debianTar(), "base:1");
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await daemon.dockerOk("images", "--format", "{{.Repository}}:{{.Tag}}")).toBe("base:1");
    expect(await layersOf("base:1")).toHaveLength(1);

    // A shell in it, under a terminal.
    const shell = new Pty(["docker", "run", "-it", "--name", "c1", "base:1", "/bin/bash"], daemon.env());
    await shell.expect(/root@[0-9a-f]{12}:\/# /);
    shell.type("stty size\r");
    await shell.expect(/40 120/);
    shell.type("echo written-in-c1 > /root/note; mkdir /www; echo from-the-image > /www/index.html\r");
    await shell.expect(/# $/);
    shell.type("exit 7\r");
    expect(await shell.exit).toBe(7);
    expect(await daemon.dockerOk("ps", "-a", "--filter", "name=c1", "--format", "{{.Status}}")).toMatch(/^Exited \(7\)/);
    expect((await daemon.dockerOk("diff", "c1")).split("\n")).toEqual(expect.arrayContaining(["A /root/note", "A /www", "A /www/index.html"]));

    // What was written becomes one more layer, as large as the change.
    await daemon.dockerOk("commit", "-m", "a note", "-a", "Ann Author", "c1", "base-app:v1");
    const [base, layers] = [await layersOf("base:1"), await layersOf("base-app:v1")];
    expect(layers.slice(0, 1)).toEqual(base);
    expect(layers).toHaveLength(2);
    const [baseSize, appSize] = [Number((await daemon.inspect("base:1", "image")).Size), Number((await daemon.inspect("base-app:v1", "image")).Size)];
    expect(appSize - baseSize).toBeGreaterThan(20);
    expect(appSize - baseSize).toBeLessThan(100_000);
    const history = (await daemon.dockerOk("history", "--no-trunc", "--format", "{{.Size}}|{{.Comment}}", "base-app:v1")).split("\n");
    expect(history).toHaveLength(2);
    expect(history[0]).toContain("a note");

    // A service from it, reached at its address. busybox comes from the host, the page from the image.
    const busybox = "/busybox";
    const httpd = ["busybox", "httpd", "-f", "-p", "80", "-h", "/www"];
    const bindBusybox = ["-v", `${bed.path("bin")}:${busybox}:ro`];
    mkdirSync(bed.path("bin"));
    writeFileSync(bed.path("bin/busybox"), readFileSync(existsSync("/bin/busybox") ? "/bin/busybox" : "/usr/bin/busybox"), { mode: 0o755 });
    const serve = (...options: string[]): Promise<string> => daemon.dockerOk("run", "-d", ...bindBusybox, ...options, "base-app:v1", `${busybox}/${httpd[0]!}`, ...httpd.slice(1));
    await serve("--name", "web");
    expect(await bed.netns.fetch(`http://${await addressOf("web")}/`)).toBe("from-the-image");

    // The same with the host's page in it.
    mkdirSync(bed.path("www"));
    writeFileSync(bed.path("www/index.html"), "from-the-host\n");
    await serve("--name", "web-bind", "-v", `${bed.path("www")}:/www`);
    expect(await bed.netns.fetch(`http://${await addressOf("web-bind")}/`)).toBe("from-the-host");

    // And published.
    await serve("--name", "web-port", "-p", "8080:80");
    expect(await bed.netns.fetch("http://127.0.0.1:8080/")).toBe("from-the-image");
    expect(await daemon.dockerOk("port", "web-port", "80/tcp")).toMatch(/^0\.0\.0\.0:8080/);

    // How it lies on disk.
    const graph = (await daemon.inspect("web")).GraphDriver;
    expect(graph.Name).toBe("overlay2");
    const layer = join(graph.Data.UpperDir as string, "..");
    expect(layer.startsWith(join(daemon.dataRoot, "overlay2"))).toBe(true);
    expect(readdirSync(layer).sort()).toEqual(["diff", "link", "lower", "merged", "work"]);
    const short = readFileSync(join(layer, "link"), "utf8");
    expect(short).toMatch(/^[A-Z0-9]{26}$/);
    expect(existsSync(join(daemon.dataRoot, "overlay2", "l", short))).toBe(true);
    expect(readFileSync(join(layer, "lower"), "utf8").split(":").every((part) => /^l\/[A-Z0-9]{26}$/.test(part))).toBe(true);
    expect(existsSync(`${layer}-init/diff`)).toBe(true);
    expect(mountsBelow(daemon.dataRoot)).toContain(graph.Data.MergedDir);
    expect((await bed.netns.ok("mount", ["-t", "overlay"])).includes(graph.Data.MergedDir as string)).toBe(true);

    // Disk use adds up.
    const df = JSON.parse(await daemon.dockerOk("system", "df", "-v", "--format", "json")) as { Images: object[]; Containers: object[] };
    expect(df.Images).toHaveLength(2);
    expect(df.Containers).toHaveLength(4);
  }, 600_000);
});

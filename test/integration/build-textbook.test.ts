import { copyFileSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Background, type Daemon, TestBed, daemonNeeds, debianTar, makeContext, needs, ok, which } from "../helpers/index.js";

/** A textbook's chapter on Dockerfiles: a Debian made by debootstrap becomes two web servers. */
const it = needs(...daemonNeeds, "docker", "debootstrap", "dpkg", "curl");
jest.setTimeout(300_000);

const REPOSITORY_PORT = 8391;

let bed: TestBed;
let daemon: Daemon;
let repository: Background;
let gateway: string;
beforeAll(async () => {
  bed = await TestBed.create();
  daemon = await bed.daemon();
  await daemon.dockerOk("import", await debianTar(), "debian:base");
  gateway = await daemon.dockerOk("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge");
  mkdirSync(bed.path("repository"));
  await makeRepository(bed.path("repository"));
  repository = bed.netns.start(which("busybox")!, ["httpd", "-f", "-p", String(REPOSITORY_PORT), "-h", bed.path("repository")]);
  await bed.netns.fetch(`http://127.0.0.1:${REPOSITORY_PORT}/Packages`);
}, 300_000);
afterAll(async () => {
  repository?.kill("SIGKILL");
  await repository?.exit;
  await bed.close();
}, 120_000);

/** A package, built by dpkg-deb from what it installs and its control files. */
async function makePackage(repositoryFolder: string, name: string, control: Readonly<Record<string, string>>, fill: (tree: string) => void, scripts: Readonly<Record<string, string>> = {}): Promise<void> {
  const tree = bed.path(`package-${name}`), file = `${name}_1.0_${control["Architecture"]!}.deb`;
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  const fields = Object.entries({ Package: name, Version: "1.0", Maintainer: "Nobody <nobody@example.org>", ...control }).map(([key, value]) => `${key}: ${value}\n`).join("");
  writeFileSync(join(tree, "DEBIAN/control"), fields);
  for (const [script, text] of Object.entries(scripts)) writeFileSync(join(tree, "DEBIAN", script), text, { mode: script === "conffiles" ? 0o644 : 0o755 });
  fill(tree);
  const path = join(repositoryFolder, file);
  await ok("dpkg-deb", ["--root-owner-group", "--build", tree, path]);
  const entry = `${fields}Filename: ./${file}\nSize: ${statSync(path).size}\nSHA256: ${createHash("sha256").update(readFileSync(path)).digest("hex")}\n\n`;
  writeFileSync(join(repositoryFolder, "Packages"), entry, { flag: "a" });
}

/** Two packages, one of which needs the other, as apt fetches them. */
async function makeRepository(folder: string): Promise<void> {
  const put = (tree: string, path: string, text: string): void => {
    mkdirSync(join(tree, path, ".."), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  await makePackage(folder, "small-httpd-pages", { Architecture: "all", Description: "Pages of a small web server" }, (tree) => {
    put(tree, "var/www/html/index.html", "<p>the package's page</p>\n");
    put(tree, "var/www/html/start.html", "<p>the start page</p>\n");
  });
  await makePackage(folder, "small-httpd", { Architecture: await ok("dpkg", ["--print-architecture"]), Depends: "small-httpd-pages (>= 1.0)", Description: "A small web server" }, (tree) => {
    put(tree, "etc/small-httpd.conf", "H:/var/www/html\n");
    mkdirSync(join(tree, "usr/sbin"), { recursive: true });
    copyFileSync(which("busybox")!, join(tree, "usr/sbin/httpd"));
  }, { conffiles: "/etc/small-httpd.conf\n", postinst: "#!/bin/sh\nset -e\nuseradd --system --no-create-home httpd\nmkdir -p /var/log/small-httpd\nchown httpd: /var/log/small-httpd\n" });
}

async function build(tag: string, folder: string): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(["build", "-t", tag, "."], { cwd: folder, env: { DOCKER_BUILDKIT: "0" }, timeoutMs: 280_000 });
  if (code !== 0) throw new Error(`docker build: ${stderr}\n${stdout}`);
  return stdout;
}
async function served(...options: string[]): Promise<string> {
  const id = await daemon.dockerOk("run", "-d", ...options);
  const address = await daemon.dockerOk("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id);
  return bed.netns.fetch(`http://${address}/`);
}
/** The page that both show once a file of the host lies over the image's. */
function hostsPage(): string {
  writeFileSync(bed.path("page.html"), "<p>the host's page</p>\n");
  return bed.path("page.html");
}
const again = async (tag: string, folder: string, steps: number): Promise<void> => {
  const { Id } = await daemon.inspect(tag, "image");
  expect((await build(tag, folder)).match(/Using cache/g)).toHaveLength(steps);
  expect((await daemon.inspect(tag, "image")).Id).toBe(Id);
};

/** In Perl, which every Debian has: answers each request with the page in its working directory. */
const SERVER = `#!/usr/bin/perl
use strict; use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die "listen: $!";
while (my $client = $server->accept) {
  while (my $line = <$client>) { last if $line =~ /^\\r?$/ }
  open(my $page, "<", "index.html") or die "index.html: $!";
  my $text = do { local $/; <$page> };
  print $client "HTTP/1.0 200 OK\\r\\nContent-Length: " . length($text) . "\\r\\n\\r\\n$text";
  close($client);
}
`;

it("a web server: MAINTAINER, RUN, ADD of a script and a page, EXPOSE, WORKDIR, CMD", async () => {
  const folder = makeContext(bed.folder, {
    "run.pl": SERVER, "index.html": "<p>the image's page</p>\n",
    Dockerfile: [
      "FROM debian:base", "MAINTAINER A Reader <reader@example.org>", "RUN perl -MIO::Socket::INET -e 1 && mkdir -p /var/www/html && useradd --create-home visitor", "ADD run.pl /run.pl", "RUN chmod 755 /run.pl",
      "ADD index.html /var/www/html/", "EXPOSE 80", "WORKDIR /var/www/html", 'CMD ["/run.pl"]', "",
    ].join("\n"),
  });
  expect(await build("web-server", folder)).toMatch(/Step 9\/9 : CMD \["\/run\.pl"\][^]*Successfully tagged web-server:latest/);
  const { Author, Config, RootFS } = await daemon.inspect("web-server", "image");
  expect({ Author, Config }).toMatchObject({ Author: "A Reader <reader@example.org>", Config: { ExposedPorts: { "80/tcp": {} }, WorkingDir: "/var/www/html", Cmd: ["/run.pl"] } });
  expect(RootFS.Layers).toHaveLength(5);
  expect(await served("web-server")).toBe("<p>the image's page</p>");
  expect(await served("-v", `${hostsPage()}:/var/www/html/index.html:ro`, "web-server")).toBe("<p>the host's page</p>");
  expect(await daemon.dockerOk("run", "--rm", "web-server", "sh", "-c", "pwd; stat -c '%a %U' /run.pl; getent passwd visitor | cut -d: -f6; ls -d /home/*")).toBe("/var/www/html\n755 root\n/home/visitor\n/home/visitor");
  await again("web-server", folder, 8);
});

it("a web server from a repository on this machine: apt-get install, a configuration edited by RUN echo, CMD of the shell", async () => {
  const folder = makeContext(bed.folder, {
    Dockerfile: [
      "FROM debian:base", "MAINTAINER A Reader <reader@example.org>", `RUN rm -rf /etc/apt/sources.list /etc/apt/sources.list.d && echo "deb [trusted=yes] http://${gateway}:${REPOSITORY_PORT} ./" > /etc/apt/sources.list`,
      "RUN apt-get update && apt-get install -y small-httpd", "RUN echo 'I:start.html' >> /etc/small-httpd.conf", "EXPOSE 80", "CMD exec /usr/sbin/httpd -f -v -p 80 -c /etc/small-httpd.conf", "",
    ].join("\n"),
  });
  const said = await build("from-repository", folder);
  expect(said).toMatch(/Setting up small-httpd-pages \(1\.0\)[^]*Setting up small-httpd \(1\.0\)/);
  expect((await daemon.inspect("from-repository", "image")).Config.Cmd).toEqual(["/bin/sh", "-c", "exec /usr/sbin/httpd -f -v -p 80 -c /etc/small-httpd.conf"]);
  expect(await served("from-repository")).toBe("<p>the start page</p>");
  expect(await served("-v", `${hostsPage()}:/var/www/html/start.html`, "from-repository")).toBe("<p>the host's page</p>");
  expect(await daemon.dockerOk("run", "--rm", "from-repository", "sh", "-c", "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' small-httpd small-httpd-pages; cat /etc/small-httpd.conf; stat -c %U /var/log/small-httpd; dpkg --verify small-httpd-pages && echo intact"))
    .toBe("small-httpd installed\nsmall-httpd-pages installed\nH:/var/www/html\nI:start.html\nhttpd\nintact");
  await again("from-repository", folder, 6);
  // Nothing of a build stays but images and cache.
  await daemon.removeContainers();
  expect([readdirSync(join(daemon.dataRoot, "tmp")), await daemon.dockerOk("ps", "-aq")]).toEqual([[], ""]);
});

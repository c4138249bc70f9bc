import { chmodSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Daemon, type TestBed, addProgram, daemonNeeds, importTree, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "curl");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});

/** The reaper's protocol, in shell: each line of a client is a filter, acknowledged; when the client has gone, what matches goes, over the daemon's socket. */
const reap = `#!/bin/sh
api() { curl -s --unix-socket /var/run/docker.sock "$@"; }
list() { api -G --data-urlencode "filters={\\"label\\":{\\"$1\\":true}}" "http://docker/$2"; }
names() { grep -o "\\"$1\\":\\"[^\\"]*\\"" | cut -d '"' -f 4; }
self=$(hostname) filters=
while read -r line; do
  line=$(echo "$line" | tr -d '\\r')
  filters="$filters \${line#label=}"
  echo ACK
done
for filter in $filters; do
  for id in $(list "$filter" "containers/json?all=1" | names Id); do [ "\${id#$self}" = "$id" ] && api -X DELETE "http://docker/containers/$id?force=1&v=1"; done
  for id in $(list "$filter" networks | names Id); do api -X DELETE "http://docker/networks/$id"; done
  for id in $(list "$filter" volumes | names Name); do api -X DELETE "http://docker/volumes/$id"; done
  for id in $(list "$filter" images/json | names Id); do api -X DELETE "http://docker/images/$id?force=1"; done
done
api -X DELETE "http://docker/containers/$self?force=1"
`;
async function importReaper(): Promise<void> {
  await importTree(daemon, "reaper:1", ['CMD ["sh", "-c", "echo Started; exec nc -ll -p 8080 -e /bin/reap"]', "ENV PATH=/bin", "EXPOSE 8080"], async (tree) => {
    writeFileSync(join(tree, "bin/reap"), reap);
    chmodSync(join(tree, "bin/reap"), 0o755);
    await addProgram(tree, "curl");
  });
}

it("testcontainers starts, waits, copies, execs, networks, commits; and its reaper takes all of it away", async () => {
  await importReaper();
  const before = (await daemon.dockerOk("network", "ls", "-q")).split("\n").sort();
  const program = resolve(__dirname, "../helpers/testcontainers-program.js");
  const { code, stdout, stderr } = await bed.netns.run(process.execPath, [program], { env: { ...daemon.env(), RYUK_CONTAINER_IMAGE: "reaper:1", TMPDIR: bed.folder }, timeoutMs: 150_000 });
  expect([code, code === 0 ? "" : stderr]).toEqual([0, ""]);
  const seen = JSON.parse(stdout);
  expect(seen).toMatchObject({
    pages: ["copied before the start", "copied before the start"], mode: "640", exec: { exitCode: 5, stdout: "me in /www\n", stderr: "to stderr\n" },
    archive: true, logs: ["serving /www"], afterRestart: "copied before the start", image: expect.stringMatching(/^sha256:/), labels: { made: "here" },
  });
  expect(new Set(seen.ports).size).toBe(2);
  expect(seen.address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  await until(async () => (await daemon.dockerOk("ps", "-aq")) === "" || undefined, 60_000, "no container");
  expect((await daemon.dockerOk("network", "ls", "-q")).split("\n").sort()).toEqual(before);
  expect((await daemon.dockerOk("images", "--format", "{{.Repository}}")).split("\n").sort()).toEqual(["busybox", "reaper"]);
}, 240_000);

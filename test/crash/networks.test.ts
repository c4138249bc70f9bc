import { type Daemon, type TestBed, daemonNeeds, needs, setUp, sleep } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});

/** Addresses that the kernel has in the container, loopback aside; and those that the daemon tells of. */
async function bothSides(name: string): Promise<{ kernel: string[]; told: string[] }> {
  const kernel = await daemon.dockerOk("exec", name, "ip", "-o", "-4", "addr");
  const { Networks } = (await daemon.inspect(name)).NetworkSettings as { Networks: Record<string, { IPAddress: string }> };
  return {
    kernel: [...kernel.matchAll(/inet ([\d.]+)/g)].map((m) => m[1]!).filter((a) => !a.startsWith("127.")).sort(),
    told: Object.values(Networks).map((n) => n.IPAddress).sort(),
  };
}

it("kill -9 in the middle of network connect and disconnect leaves the daemon and the kernel of one mind", async () => {
  await daemon.dockerOk("network", "create", "blue");
  await daemon.dockerOk("network", "create", "red");
  await daemon.dockerOk("run", "-d", "--name", "web", "--network", "blue", "-p", "8080:80", "busybox", "sh", "-c", "mkdir /www; echo web > /www/index.html; exec httpd -f -h /www -p 80");
  await daemon.dockerOk("run", "-d", "--name", "asker", "--network", "blue", "busybox", "sleep", "1000");
  for (let round = 0; round < 10; round++) {
    const { Networks } = (await daemon.inspect("web")).NetworkSettings as { Networks: Record<string, unknown> };
    const verb = "red" in Networks ? "disconnect" : "connect";
    const running = daemon.docker(["network", verb, "red", "web"]).catch(() => undefined);
    // The CLI alone takes some 20 ms until it asks.
    await sleep(15 + Math.random() * 40);
    await daemon.kill9();
    await running;
    await daemon.start();
    const { kernel, told } = await bothSides("web");
    expect({ round, verb, kernel }).toEqual({ round, verb, kernel: told });
    expect(await daemon.dockerOk("exec", "asker", "wget", "-q", "-O", "-", "http://web/")).toBe("web");
    expect(await bed.netns.fetch("http://127.0.0.1:8080/")).toBe("web");
  }
  await daemon.dockerOk("rm", "-f", "web", "asker");
  expect((await daemon.dockerOk("network", "prune", "-f")).split("\n").sort()).toEqual(expect.arrayContaining(["blue", "red"]));
  expect(await bed.netns.ok("ip", ["-o", "link"])).not.toMatch(/veth|br-/);
}, 180_000);

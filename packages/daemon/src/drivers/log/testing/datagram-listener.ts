import { type ChildProcess, spawn } from "node:child_process";

/** Takes datagrams of a Unix socket, by a helper in Python: Node cannot. */
export class DatagramListener {
  #heard = "";
  #changed: () => void = () => undefined;

  private constructor(private readonly child: ChildProcess) {
    child.stdout!.on("data", (d: Buffer) => {
      this.#heard += d.toString();
      this.#changed();
    });
  }

  static async open(path: string): Promise<DatagramListener> {
    const script = "import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nprint('ready',flush=True)\nwhile True: print(s.recv(1<<20).hex(),flush=True)";
    const listener = new DatagramListener(spawn("python3", ["-c", script, path], { stdio: ["ignore", "pipe", "inherit"] }));
    await listener.#until(1);
    return listener;
  }

  /** The first `count` datagrams. */
  async take(count: number): Promise<Buffer[]> {
    const lines = await this.#until(count + 1);
    return lines.slice(1, count + 1).map((hex) => Buffer.from(hex, "hex"));
  }

  close(): void {
    this.child.kill("SIGKILL");
  }

  async #until(lines: number): Promise<string[]> {
    for (;;) {
      const heard = this.#heard.split("\n").slice(0, -1);
      if (heard.length >= lines) return heard;
      await new Promise<void>((resolve) => { this.#changed = resolve; });
    }
  }
}

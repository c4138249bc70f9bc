import { Api } from "./api.js";
import { defaultHost, parseHost } from "./host.js";
import { Builds } from "./resources/builds.js";
import { Checks } from "./resources/checks.js";
import { Containers } from "./resources/containers.js";
import { Graph } from "./resources/graph.js";
import { Gc } from "./resources/gc.js";
import { Images } from "./resources/images.js";
import { Layers } from "./resources/layers.js";
import { Networks } from "./resources/networks.js";
import { System } from "./resources/system.js";
import { Volumes } from "./resources/volumes.js";
import { Transport } from "./transport.js";

/** What node:tls takes; `ca`, `cert` and `key` are PEM. */
export interface TlsOptions {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** False: the daemon's certificate is not checked. */
  readonly rejectUnauthorized?: boolean;
}

export interface ConnectOptions {
  /** `unix:///path`, `tcp://host:port`; by default `STRATA_HOST`, `DOCKER_HOST`, then Strata's own socket. */
  readonly host?: string;
  /** API version to speak, e.g. `1.47`; by default the newest that both sides know, asked for once. */
  readonly version?: string;
  /** Makes a `tcp` host speak TLS. */
  readonly tls?: TlsOptions;
}

/** A daemon, by resource. Nothing is sent before the first call. */
export class StrataClient {
  readonly containers: Containers;
  readonly images: Images;
  readonly builds: Builds;
  readonly checks: Checks;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly layers: Layers;
  readonly graph: Graph;
  readonly gc: Gc;
  readonly system: System;
  readonly #transport: Transport;

  constructor(options: ConnectOptions = {}) {
    this.#transport = new Transport(parseHost(options.host ?? defaultHost(), options.tls !== undefined), options.tls);
    const api = new Api(this.#transport, options.version);
    this.containers = new Containers(api);
    this.images = new Images(api);
    this.builds = new Builds(api);
    this.checks = new Checks(api);
    this.volumes = new Volumes(api);
    this.networks = new Networks(api);
    this.layers = new Layers(api);
    this.graph = new Graph(api);
    this.gc = new Gc(api);
    this.system = new System(api);
  }

  /** Where the daemon is, as a URL. */
  get host(): string {
    return this.#transport.host;
  }

  /** Closes idle connections; a process may also simply end. */
  close(): void {
    this.#transport.close();
  }
}

/** Makes a client. Throws TypeError when the host cannot be understood. */
export function connect(options: ConnectOptions = {}): StrataClient {
  return new StrataClient(options);
}

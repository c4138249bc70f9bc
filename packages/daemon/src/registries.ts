import type { Config } from "./config.js";
import { Endpoints, mirrorsOf } from "./distribution/endpoints.js";
import type { EndpointOptions } from "./distribution/endpoints.js";
import { Proxies, proxiesOf } from "./distribution/proxy.js";
import type { ProxyOptions } from "./distribution/proxy.js";

/** What the settings say of registries and the way to them. */
export function registryOptions(config: Config): EndpointOptions & { readonly proxies: ProxyOptions } {
  return {
    mirrors: mirrorsOf(config.registryMirrors), insecure: config.insecureRegistries,
    proxies: proxiesOf(process.env, { http: config.httpProxy, https: config.httpsProxy, none: config.noProxy }),
  };
}

/** InvalidArgument names a mirror, an insecure registry or a proxy that makes no sense. */
export function checkRegistries(config: Config): void {
  const { proxies, ...endpoints } = registryOptions(config);
  new Endpoints(endpoints);
  new Proxies(proxies);
}

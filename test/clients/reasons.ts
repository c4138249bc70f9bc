/** Why tests of these names cannot pass here, or for nobody. What fails and is not in this list is a fault of ours. */
export const reasons: readonly { readonly tests: RegExp; readonly reason: string }[] = [
  { tests: /test_create_inspect_network_with_scope|test_create_network_attachable|test_create_network_ingress/, reason: "begins a swarm" },
  { tests: /^buildkit_test\.js .*should follow BuildKit|^docker\.js .*should build image with buildKit/, reason: "speaks BuildKit's own protocol, which is not served" },
  { tests: /^credentials\/store_test\.py/, reason: "a credential helper of the client's; no daemon is asked" },
  { tests: /test_run_container_reading_socket_ws/, reason: "the client's WebSocket library cannot use a Unix socket" },
  { tests: /test_pull_with_sha|test_run_with_image_that_does_not_exist|#searchImages/, reason: "asks docker.io" },
  { tests: /test_create_with_runtime/, reason: "names the runtime where no daemon reads it, and expects runc to be the default, which may be crun here" },
];

export const reasonFor = (test: string): string | undefined => reasons.find(({ tests }) => tests.test(test))?.reason;

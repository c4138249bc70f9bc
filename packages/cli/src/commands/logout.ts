import { defineCommand } from "../command.js";
import { Credentials } from "../credentials.js";
import { credentialKey } from "../reference.js";

export const command = defineCommand({
  usage: "[SERVER]",
  args: [0, 1],
  async run(cli, [server]) {
    const host = (server ?? "docker.io").replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    const key = credentialKey(host);
    const known = await new Credentials(cli.configDirectory, cli.env).erase(key);
    cli.print(known ? `Removing login credentials for ${key}` : `Not logged in to ${key}`);
  },
});

// Generates the API's types and validation document from openapi.yaml. With --check nothing is written: status 1 names what differs.
import { readFile, writeFile, mkdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import yaml from "js-yaml";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = await readFile(join(root, "openapi.yaml"), "utf8");
const NOTE = "// Generated from openapi.yaml by scripts/generate.mjs; `npm run generate` makes it anew.\n";

const document = yaml.load(source);
const types = NOTE + astToString(await openapiTS(source, { alphabetize: false }));
const text = JSON.stringify(forValidation(document));
const validation = `${NOTE}/** What request validation needs of openapi.yaml: parameters, bodies and their schemas, in JSON. */\nexport const document = ${JSON.stringify(text)};\n`;

const stale = [];
for (const [path, content] of [
  ["packages/daemon/src/api/generated/openapi.ts", types],
  ["packages/client/src/generated/openapi.ts", types],
  ["packages/daemon/src/api/generated/document.ts", validation],
]) {
  const file = join(root, path);
  if ((await readFile(file, "utf8").catch(() => "")) === content) continue;
  stale.push(relative(root, file));
  if (process.argv.includes("--check")) continue;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}
if (process.argv.includes("--check") && stale.length > 0) {
  console.error(`not what openapi.yaml gives: ${stale.join(", ")}; run "npm run generate"`);
  process.exitCode = 1;
}

/** Drops what validation of requests does not read: descriptions, examples, responses and the schemas only they use. */
function forValidation(doc) {
  const paths = {};
  for (const [path, item] of Object.entries(doc.paths)) {
    paths[path] = {};
    for (const [key, value] of Object.entries(item)) {
      paths[path][key] = key === "parameters" ? value : { operationId: value.operationId, ...(value.parameters && { parameters: value.parameters }), ...(value.requestBody && { requestBody: value.requestBody }) };
    }
  }
  const schemas = {};
  const keep = (node) => {
    if (node === null || typeof node !== "object") return;
    if (typeof node.$ref === "string" && node.$ref.startsWith("#/components/schemas/")) {
      const name = node.$ref.slice("#/components/schemas/".length);
      if (!(name in schemas)) keep((schemas[name] = doc.components.schemas[name]));
    }
    for (const child of Object.values(node)) keep(child);
  };
  keep([paths, doc.components.parameters]);
  const bare = (node, names = false) => {
    if (Array.isArray(node)) return node.map((n) => bare(n));
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(Object.entries(node).filter(([k]) => names || (k !== "description" && k !== "example" && k !== "tags" && k !== "summary")).map(([k, v]) => [k, bare(v, k === "properties" || k === "schemas" || k === "paths")]));
  };
  return bare({ openapi: doc.openapi, info: { title: doc.info.title, version: doc.info.version }, paths, components: { parameters: doc.components.parameters, schemas } });
}

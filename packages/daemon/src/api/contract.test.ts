import { loadContract } from "./contract.js";
import { document } from "./generated/document.js";

/** Keywords that BodyReader and the query reader understand or may ignore. */
const KNOWN = new Set(["$ref", "type", "nullable", "properties", "required", "additionalProperties", "items", "enum", "minimum", "maximum", "format", "default", "allOf", "oneOf"]);

test("schemas of requests use only what the reader knows", () => {
  const unknown: string[] = [];
  const look = (schema: unknown, place: string): void => {
    if (schema === null || typeof schema !== "object") return;
    for (const [key, value] of Object.entries(schema)) {
      if (!KNOWN.has(key)) unknown.push(`${place}: ${key}`);
      if (key === "properties") for (const [name, s] of Object.entries(value as object)) look(s, `${place}.${name}`);
      if (key === "items" || key === "additionalProperties") look(value, `${place}[]`);
      if (key === "allOf" || key === "oneOf") for (const s of value as unknown[]) look(s, place);
    }
  };
  const doc = JSON.parse(document) as { components: { schemas: Record<string, unknown> } };
  for (const [name, schema] of Object.entries(doc.components.schemas)) look(schema, name);
  expect(unknown).toEqual([]);
});

test("every operation has its own name, method and path", () => {
  const operations = loadContract();
  expect(new Set(operations.map((o) => o.id)).size).toBe(operations.length);
  expect(new Set(operations.map((o) => `${o.method} ${o.path}`)).size).toBe(operations.length);
  expect(operations.length).toBeGreaterThan(50);
});

test("bodies are JSON, a stream or none", () => {
  const body = Object.fromEntries(loadContract().map((o) => [o.id, o.body]));
  expect(body).toMatchObject({ containerCreate: "json", imageLoad: "stream", imageCreate: "stream", containerStart: "none", execStart: "json" });
});

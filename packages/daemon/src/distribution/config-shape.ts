import { InvalidArgument } from "../core/index.js";

type Shape = "text" | "flag" | "number" | "texts" | "labels" | "object" | "list";
type Shapes = Readonly<Record<string, Shape>>;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === "string";
const FITS: Readonly<Record<Shape, (value: unknown) => boolean>> = {
  text: isText, flag: (value) => typeof value === "boolean", number: (value) => typeof value === "number", list: Array.isArray, object: isObject,
  texts: (value) => Array.isArray(value) && value.every(isText), labels: (value) => isObject(value) && Object.values(value).every(isText),
};

const IMAGE: Shapes = { created: "text", author: "text", architecture: "text", os: "text", "os.version": "text", "os.features": "texts", variant: "text", config: "object", container: "text", container_config: "object", docker_version: "text", history: "list" };
const RUN: Shapes = {
  Hostname: "text", Domainname: "text", User: "text", Tty: "flag", OpenStdin: "flag", ExposedPorts: "object", Env: "texts", Cmd: "texts", Entrypoint: "texts", Healthcheck: "object", Image: "text", Volumes: "object",
  WorkingDir: "text", OnBuild: "texts", Labels: "labels", StopSignal: "text", StopTimeout: "number", Shell: "texts",
};
const HEALTH: Shapes = { Test: "texts", Interval: "number", Timeout: "number", StartPeriod: "number", StartInterval: "number", Retries: "number" };
const STEP: Shapes = { created: "text", created_by: "text", author: "text", comment: "text", empty_layer: "flag" };

/** Refuses an image's configuration with members that are not what their names say; null stands for none. */
export function checkConfig(image: Readonly<Record<string, unknown>>): void {
  check("", image, IMAGE);
  for (const name of ["config", "container_config"]) {
    const config = image[name];
    if (!isObject(config)) continue;
    check(`${name}.`, config, RUN);
    if (isObject(config["Healthcheck"])) check(`${name}.Healthcheck.`, config["Healthcheck"], HEALTH);
  }
  for (const [i, step] of ((image["history"] ?? []) as readonly unknown[]).entries()) {
    if (!isObject(step)) throw new InvalidArgument(`image configuration: history[${i}] is not what it should be`);
    check(`history[${i}].`, step, STEP);
  }
}

function check(place: string, value: Readonly<Record<string, unknown>>, shapes: Shapes): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const member = value[name];
    if (member !== undefined && member !== null && !FITS[shape](member)) throw new InvalidArgument(`image configuration: ${place}${name} is not what it should be`);
  }
}

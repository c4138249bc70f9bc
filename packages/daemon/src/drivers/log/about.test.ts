import { attributesOf, checkAbout, tagOf } from "./about.js";
import { container } from "./testing/container.js";

test("labels and variables are picked by name and by pattern", () => {
  expect(attributesOf({}, container)).toEqual({});
  expect(attributesOf({ labels: "colour, none", env: "STAGE,EMPTY" }, container)).toEqual({ colour: "blue", STAGE: "test", EMPTY: "" });
  expect(attributesOf({ "labels-regex": "^com\\.shop", "env-regex": "^ST" }, container)).toEqual({ "com.shop.tier": "front", STAGE: "test" });
  expect(() => checkAbout({ "labels-regex": "(" })).toThrow('invalid value for labels-regex: "(" is no regular expression');
});

test("tags are templates", () => {
  expect(tagOf({}, container, "{{.ID}}")).toBe("0123456789ab");
  expect(tagOf({ tag: "{{.ImageName}}/{{ .Name }}/{{.FullID}}" }, container, "x")).toBe(`shop/web:1/box/${container.id}`);
  expect(tagOf({ tag: "{{.DaemonName}}-{{.ImageID}}-{{.ImageFullID}}" }, container, "x")).toBe(`docker-sha256:fffff-${container.imageId}`);
  expect(tagOf({ tag: "plain {text}" }, container, "x")).toBe("plain {text}");
  expect(() => checkAbout({ tag: "{{.Nope}}" })).toThrow("invalid value for tag: {{.Nope}} is not one of {{.ID}}, ");
  expect(() => checkAbout({ tag: "{{.ID" })).toThrow("invalid value for tag: {{.ID ");
});

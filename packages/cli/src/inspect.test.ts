import { documentTemplate } from "./inspect.js";

const container = {
  Id: "abc", Name: "/c1", State: { Status: "running", Running: true, ExitCode: 0 },
  HostConfig: { CapAdd: null, OomKillDisable: null, LogConfig: { Type: "json-file", Config: {} } },
  Config: { Labels: { "a.b": "c", k: "v" }, Cmd: ["sleep", "1"], Volumes: null },
  NetworkSettings: { Networks: { bridge: { IPAddress: "172.17.0.2" } }, Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }] } },
};

test.each([
  ["{{.Id}} {{.ID}}", "abc abc"],
  ["{{.Config.Labels.k}}|{{.Config.Labels.x}}|{{index .Config.Labels \"a.b\"}}|{{index .Config.Labels \"x\"}}", "v|<no value>|c|"],
  ["{{.HostConfig.CapAdd}} {{.HostConfig.OomKillDisable}} {{.Config.Volumes}} {{.Config.Labels}}", "[] <nil> map[] map[a.b:c k:v]"],
  ["{{.HostConfig.LogConfig.Config}}", "map[]"],
  ["{{.State}}", "{running true 0}"],
  ["{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"],
  ["{{json .HostConfig.CapAdd}}{{json .State}}", 'null{"Status":"running","Running":true,"ExitCode":0}'],
  ["{{range $name, $n := .NetworkSettings.Networks}}{{$name}}={{$n.IPAddress}}{{end}}", "bridge=172.17.0.2"],
  ['{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"],
  ['{{range $p, $b := .NetworkSettings.Ports}}{{$p}} -> {{(index $b 0).HostPort}}{{end}}', "80/tcp -> 8080"],
  ["{{len .Config.Cmd}}{{range .HostConfig.CapAdd}}x{{end}}", "2"],
])("%s", (format, expected) => {
  expect(documentTemplate(format)(structuredClone(container))).toBe(expected);
});

test("what does not exist is an error in docker's words", () => {
  expect(() => documentTemplate("{{.Foo}}")(container)).toThrow('template parsing error: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"');
  expect(() => documentTemplate("{{.Foo")).toThrow(expect.objectContaining({ message: "template parsing error: template: :1: unclosed action", exitCode: 64 }));
});

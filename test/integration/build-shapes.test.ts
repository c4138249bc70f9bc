import { type ContextFile, type Daemon, type TestBed, addToolchains, daemonNeeds, importTree, makeContext, needs, ok, setUp, until } from "../helpers/index.js";

/** Dockerfiles as they are found in the world, on bases that are made here: each is built by the docker CLI, run, and looked at. */
const it = needs(...daemonNeeds, "docker", "curl");
jest.setTimeout(120_000);

const BASES = [
  "node:20-alpine", "node:22-alpine", "golang:1.22", "python:3.12-slim", "python:3.12", "nginx:1.25-alpine", "maven:3.9-eclipse-temurin-21", "eclipse-temurin:21-jre", "ruby:3.3-slim", "rust:1.77", "alpine:3.19", "debian:bookworm-slim",
  "php:8.3-apache", "composer:2", "mcr.microsoft.com/dotnet/sdk:8.0", "mcr.microsoft.com/dotnet/aspnet:8.0", "gcr.io/distroless/static:nonroot",
];

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemon();
  await importTree(daemon, "toolchains", ['CMD ["sh"]', "ENV PATH=/usr/local/bin:/usr/bin:/bin"], addToolchains);
  for (const base of BASES) await daemon.dockerOk("tag", "toolchains", base);
});
afterEach(() => daemon.removeContainers());

interface Shape {
  readonly dockerfile: readonly string[];
  readonly files?: Readonly<Record<string, ContextFile>>;
  readonly args?: readonly string[];
  /** Name of the Dockerfile. */
  readonly named?: string;
  readonly prepare?: (folder: string) => Promise<unknown>;
  /** Options and command of `docker run`, behind and before which the image's name stands. */
  readonly options?: readonly string[];
  readonly command?: readonly string[];
  /** What it prints, its exit status 0. */
  readonly says?: string;
  /** What it answers on port 80. */
  readonly serves?: string;
  /** What its command line finds in it. */
  readonly has?: readonly [command: string, output: string];
  readonly config: Readonly<Record<string, unknown>>;
}

const NODE = { "package.json": '{"dependencies":{"dep-web":"1"},"devDependencies":{"dep-dev":"1"}}', "package-lock.json": "{}", "src/a.js": 'echo "node $NODE_ENV as $(id -u)"\n' };

const SHAPES: Readonly<Record<string, Shape>> = {
  "Node in stages: dependencies, build, production": {
    files: { ...NODE, ".dockerignore": "node_modules\n.git\n*.log\n", "node_modules/dep-web/stale": "x", "npm-debug.log": "x" },
    dockerfile: [
      "# syntax=docker/dockerfile:1", "FROM node:20-alpine AS deps", "WORKDIR /app", "COPY package*.json ./", "RUN npm ci", "FROM deps AS build", "COPY . .", "RUN npm run build && npm prune --omit=dev",
      "FROM node:20-alpine", "ENV NODE_ENV=production", "WORKDIR /app", "COPY --from=build /app/node_modules ./node_modules", "COPY --from=build --chown=1000:1000 /app/dist ./dist", "USER 1000", "EXPOSE 3000", 'CMD ["node", "dist/server.js"]',
    ],
    says: "node production as 1000", has: ["ls node_modules; stat -c %u dist; ls node_modules/dep-web", "dep-web\n1000"], config: { User: "1000", ExposedPorts: { "3000/tcp": {} }, WorkingDir: "/app", Cmd: ["node", "dist/server.js"] },
  },
  "Go into scratch": {
    files: { "go.mod": "module m\n", "go.sum": "", "main.go": "package main\n" },
    dockerfile: [
      "FROM golang:1.22 AS build", "WORKDIR /src", "COPY go.mod go.sum ./", "RUN go mod download", "COPY . .", "ARG VERSION=dev", 'RUN CGO_ENABLED=0 go build -ldflags="-s -w -X main.version=${VERSION}" -o /out/busybox .',
      "FROM scratch", "COPY --from=build /etc/passwd /etc/passwd", "COPY --from=build /out/busybox /busybox", "USER nobody", 'ENTRYPOINT ["/busybox"]', 'CMD ["echo", "from scratch"]',
    ],
    says: "from scratch", config: { User: "nobody", Entrypoint: ["/busybox"], Cmd: ["echo", "from scratch"] },
  },
  "Python with requirements first": {
    files: { "requirements.txt": "flask==3\ngunicorn==21\n", "app.py": 'echo "$PYTHONUNBUFFERED$PYTHONDONTWRITEBYTECODE $0"; ls /usr/local/lib/site-packages\n' },
    dockerfile: ["FROM python:3.12-slim", "ENV PYTHONDONTWRITEBYTECODE=1 \\", "    PYTHONUNBUFFERED=1", "WORKDIR /code", "COPY requirements.txt .", "RUN pip install --no-cache-dir -r requirements.txt", "COPY . .", "EXPOSE 8000", 'CMD ["python", "app.py"]'],
    says: "11 app.py\nflask\ngunicorn", config: { WorkingDir: "/code", ExposedPorts: { "8000/tcp": {} } },
  },
  "Python: a virtual environment from a builder": {
    files: { "requirements.txt": "django==5\n", "manage.py": "ls $VIRTUAL_ENV/lib/site-packages; echo $1\n" },
    dockerfile: [
      "FROM python:3.12 AS builder", "ENV VIRTUAL_ENV=/opt/venv", "RUN mkdir -p $VIRTUAL_ENV/bin", 'ENV PATH="$VIRTUAL_ENV/bin:$PATH"', "COPY requirements.txt .", "RUN pip install -r requirements.txt",
      "FROM python:3.12-slim", "COPY --from=builder /opt/venv /opt/venv", "ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH", "COPY manage.py /", 'ENTRYPOINT ["python", "/manage.py"]', 'CMD ["runserver"]',
    ],
    command: ["migrate"], says: "django\nmigrate", config: { Env: ["PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin", "VIRTUAL_ENV=/opt/venv"], Cmd: ["runserver"] },
  },
  "a static site in nginx": {
    files: { ...NODE, "src/a.js": "<p>site</p>\n", "nginx.conf": "events {}\n" },
    dockerfile: ["FROM node:20-alpine as build", "WORKDIR /site", "COPY . ./", "RUN npm install && npm run build && mv dist/server.js dist/index.html", "FROM nginx:1.25-alpine", "COPY nginx.conf /etc/nginx/nginx.conf", "RUN rm -rf /usr/share/nginx/html/*", "COPY --from=build /site/dist /usr/share/nginx/html", "EXPOSE 80 443", "STOPSIGNAL SIGQUIT", 'CMD ["nginx", "-g", "daemon off;"]'],
    serves: "<p>site</p>", has: ["cat /etc/nginx/nginx.conf; ls /usr/share/nginx/html", "events {}\nindex.html"], config: { StopSignal: "SIGQUIT", ExposedPorts: { "80/tcp": {}, "443/tcp": {} } },
  },
  "Java: Maven, then a JRE": {
    files: { "pom.xml": "<project/>", "src/main/App": 'echo "java$OPTS"\n' },
    dockerfile: [
      "FROM maven:3.9-eclipse-temurin-21 AS build", "WORKDIR /build", "COPY pom.xml .", "RUN mvn -B dependency:go-offline", "COPY src ./src", "RUN mvn -B package -DskipTests", "FROM eclipse-temurin:21-jre", "ARG JAR_FILE=target/app.jar",
      "VOLUME /tmp", "COPY --from=build /build/${JAR_FILE} app.jar", 'ENV JAVA_OPTS=""', 'ENTRYPOINT ["sh", "-c", "java $JAVA_OPTS -jar /app.jar"]',
    ],
    options: ["-e", "JAVA_OPTS=-Dx=1 -Dy=2"], says: "java -Dx=1 -Dy=2", config: { Volumes: { "/tmp": {} }, Entrypoint: ["sh", "-c", "java $JAVA_OPTS -jar /app.jar"] },
  },
  "Java: layers of an application, one COPY each": {
    files: { "pom.xml": "<project/>", "src/main/App": "exit\n" },
    dockerfile: [
      "FROM maven:3.9-eclipse-temurin-21 AS builder", "WORKDIR /app", "COPY . .", "RUN mvn package && mkdir -p x/dependencies/lib x/loader x/snapshot x/application && echo 'echo launched' > x/loader/Launcher.class && echo d > x/dependencies/lib/d.jar",
      "FROM eclipse-temurin:21-jre", "WORKDIR /app", ...["dependencies", "loader", "snapshot", "application"].map((layer) => `COPY --from=builder app/x/${layer}/ ./`), 'ENTRYPOINT ["java", "Launcher"]',
    ],
    says: "launched", has: ["ls; ls lib", "Launcher.class\nlib\nd.jar"], config: { WorkingDir: "/app" },
  },
  "Ruby: bundle, precompiled assets, an entrypoint that hands over": {
    files: { Gemfile: "", "Gemfile.lock": "", "bin/docker-entrypoint": { text: '#!/bin/sh -e\n[ "$1" = server ] && echo prepared\nexec "${@}"\n', mode: 0o755 }, "bin/server": { text: "#!/bin/sh\ncat public/assets/app.js; id -un\n", mode: 0o755 } },
    dockerfile: [
      "ARG RUBY_VERSION=3.3", "FROM ruby:$RUBY_VERSION-slim AS base", "WORKDIR /rails", 'ENV RAILS_ENV="production" \\', '    BUNDLE_PATH="/usr/local/bundle"', "FROM base AS build", "RUN apt-get update -qq && \\", "    apt-get install --no-install-recommends -y build-essential libpq-dev",
      "COPY Gemfile Gemfile.lock ./", "RUN bundle config set without development && bundle install", "COPY . .", "RUN SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=x rake assets:precompile", "FROM base", "COPY --from=build /usr/local/bundle-config /usr/local/", "COPY --from=build /rails /rails",
      "RUN adduser -u 1001 rails && chown -R rails /rails/public", "ENV PATH=/rails/bin:$PATH", "USER rails", 'ENTRYPOINT ["/rails/bin/docker-entrypoint"]', "EXPOSE 3000", 'CMD ["server"]',
    ],
    says: "prepared\ncompiled\nrails", config: { User: "rails", Entrypoint: ["/rails/bin/docker-entrypoint"], Cmd: ["server"] },
  },
  "Rust: dependencies by way of an empty program": {
    files: { "Cargo.toml": "", "Cargo.lock": "", "src/main.rs": "echo rust in $1\n" },
    dockerfile: [
      "FROM rust:1.77 AS build", "WORKDIR /usr/src/app", "COPY Cargo.toml Cargo.lock ./", 'RUN mkdir src && echo "fn main() {}" > src/main.rs && cargo build --release && rm -rf src target/release/app', "COPY src ./src", "RUN touch src/main.rs && cargo build --release",
      "FROM debian:bookworm-slim", "RUN apt-get update && apt-get install -y ca-certificates && rm -rf /var/lib/apt/lists/*", "COPY --from=build /usr/src/app/target/release/app /usr/local/bin/app", 'ENTRYPOINT ["app"]', 'CMD ["debian"]',
    ],
    says: "rust in debian", has: ["cat /etc/installed; ls /var/lib/apt/lists", "ca-certificates"], config: { Entrypoint: ["app"] },
  },
  "an entrypoint script of a database, with a volume and a user": {
    files: { "docker-entrypoint.sh": { text: '#!/bin/sh\nset -e\nif [ "$1" = postgres ]; then mkdir -p "$PGDATA"; chown 999 "$PGDATA"; shift; exec su-exec postgres sh -c "ls -ldn $PGDATA | cut -d\' \' -f1; echo $*"; fi\nexec "$@"\n', mode: 0o755 } },
    dockerfile: [
      "FROM debian:bookworm-slim", "RUN set -eux; \\", "\taddgroup -g 999 postgres; \\", "# a comment in between", "\tadduser -u 999 -G postgres postgres; \\", "\tmkdir -p /docker-entrypoint-initdb.d", "ENV PG_MAJOR 16", "ENV PATH $PATH:/usr/lib/postgresql/$PG_MAJOR/bin",
      "ENV PGDATA /var/lib/postgresql/data", 'RUN install() { mkdir -p "$1" && chmod 1777 "$1"; }; install "$PGDATA"', "VOLUME /var/lib/postgresql/data", "COPY docker-entrypoint.sh /usr/local/bin/", 'ENTRYPOINT ["docker-entrypoint.sh"]', "STOPSIGNAL SIGINT", "EXPOSE 5432", 'CMD ["postgres", "-c", "x"]',
    ],
    says: "as postgres\ndrwxrwxrwt\n-c x", config: { Volumes: { "/var/lib/postgresql/data": {} }, StopSignal: "SIGINT", ExposedPorts: { "5432/tcp": {} } },
  },
  "versions by ARG, in FROM, labels and files": {
    dockerfile: [
      "ARG NODE_VERSION=20", "ARG VARIANT=alpine", "FROM node:${NODE_VERSION}-${VARIANT}", "ARG NODE_VERSION", "ARG BUILD_DATE VCS_REF=none", 'LABEL org.opencontainers.image.created="${BUILD_DATE}" \\', '      org.opencontainers.image.revision="$VCS_REF" \\', '      org.opencontainers.image.version="${NODE_VERSION}-${VARIANT:-unset}"',
      "ENV APP_VERSION=v${NODE_VERSION%%.*}", 'RUN echo "$NODE_VERSION $BUILD_DATE" > /version', "CMD cat /version && echo $APP_VERSION",
    ],
    args: ["--build-arg", "NODE_VERSION=22", "--build-arg", "BUILD_DATE=today"], says: "22 today\nv22",
    config: { Labels: { "org.opencontainers.image.created": "today", "org.opencontainers.image.revision": "none", "org.opencontainers.image.version": "22-unset" } },
  },
  "users changed to and fro, files given to them": {
    files: { "app/run.sh": { text: "#!/bin/sh\nid -un; pwd; stat -c '%u:%g %a' run.sh owned made\n", mode: 0o755 } },
    dockerfile: ["FROM alpine:3.19", "RUN addgroup -g 1234 app && adduser -u 1234 -G app app", "WORKDIR /home/app", "COPY --chown=app:app app/ ./", "RUN touch owned && chown 1234:1234 . owned", "USER app", "RUN touch made && ! touch /etc/mine 2>/dev/null", "USER root", "RUN touch /etc/mine", "USER 1234:1234", 'CMD ["./run.sh"]'],
    says: "app\n/home/app\n1234:1234 755\n1234:1234 644\n1234:1234 644", config: { User: "1234:1234" },
  },
  "here-documents for scripts and configuration": {
    dockerfile: [
      "# syntax=docker/dockerfile:1.4", "FROM alpine:3.19", "ARG NAME=world", "RUN <<-EOF", "\tset -e", "\tapk add --no-cache curl", "\techo one > /one", "EOF", "COPY <<EOF /etc/app.conf", "name = ${NAME}", "home = \\$HOME", "EOF",
      "COPY --chmod=0755 <<'EOF' /usr/local/bin/start", "#!/bin/sh", "cat /one /etc/app.conf", 'echo "$HOME"', "EOF", "ENV HOME=/root", "CMD start",
    ],
    says: "one\nname = world\nhome = $HOME\n/root", config: { Cmd: ["/bin/sh", "-c", "start"] },
  },
  "a shell with options, a chain of apt-get": {
    dockerfile: [
      "FROM debian:bookworm-slim", 'SHELL ["/bin/sh", "-eo", "pipefail", "-c"]', "ENV DEBIAN_FRONTEND=noninteractive", "RUN apt-get update \\", " && apt-get install -y --no-install-recommends \\", "      curl \\", "      # with its certificates", "      ca-certificates \\", " && rm -rf /var/lib/apt/lists/* ", "RUN ! (false | true)", "RUN cd /tmp; [ $(pwd) = /tmp ]", "CMD sort /etc/installed | head -n 1",
    ],
    says: "ca-certificates", config: { Shell: ["/bin/sh", "-eo", "pipefail", "-c"], Cmd: ["/bin/sh", "-eo", "pipefail", "-c", "sort /etc/installed | head -n 1"] },
  },
  "PHP: extensions, composer from its image": {
    files: { "composer.json": "{}", "public/index.php": "cat vendor/autoload.php /usr/local/etc/php.ini\n" },
    dockerfile: ["FROM php:8.3-apache", "COPY --from=composer:2 /usr/local/bin/composer /usr/bin/composer", "RUN docker-php-ext-install pdo_mysql opcache", "RUN sed -i 's/=pdo/=PDO/' /usr/local/etc/php.ini", "WORKDIR /var/www/html", "COPY composer.* ./", "RUN composer install --no-dev", "COPY . .", 'CMD ["php", "public/index.php"]'],
    says: "loaded\nextension=PDO_mysql\nextension=opcache", config: { WorkingDir: "/var/www/html" },
  },
  ".NET: restore, publish, run": {
    files: { "app.csproj": "", "Program.cs": "echo dotnet $ASPNETCORE_URLS\n" },
    dockerfile: ["FROM mcr.microsoft.com/dotnet/sdk:8.0 AS build", "WORKDIR /source", "COPY *.csproj .", "RUN dotnet restore app.csproj", "COPY . .", "RUN dotnet publish -c Release -o /app", "FROM mcr.microsoft.com/dotnet/aspnet:8.0 AS final", "WORKDIR /app", "ENV ASPNETCORE_URLS=http://+:8080", "COPY --from=build /app .", 'ENTRYPOINT ["dotnet", "app.dll"]'],
    says: "dotnet http://+:8080", config: { Entrypoint: ["dotnet", "app.dll"], Env: expect.arrayContaining(["ASPNETCORE_URLS=http://+:8080"]) },
  },
  "a base without a shell's help: numeric user, read-only": {
    files: { "go.mod": "module m\n" },
    dockerfile: ["FROM --platform=$BUILDPLATFORM golang:1.22 AS build", "ARG TARGETOS TARGETARCH", "WORKDIR /src", "COPY . .", "RUN go mod download && GOOS=$TARGETOS GOARCH=$TARGETARCH go build -o busybox . && echo $TARGETOS > os", "FROM gcr.io/distroless/static:nonroot", "COPY --from=build --chmod=555 /src/busybox /src/os /", "USER 65532:65532", 'ENTRYPOINT ["/busybox", "cat", "/os"]'],
    options: ["--read-only", "--cap-drop=ALL"], says: "linux", config: { User: "65532:65532" },
  },
  "a repository of several packages, its Dockerfile elsewhere": {
    named: "docker/api.Dockerfile",
    files: { "packages/api/package.json": '"dep-api"', "packages/api/src/a": "echo api; ls /app\n", "packages/web/package.json": '"dep-web"', "docker/api.Dockerfile.dockerignore": "packages/web\n", "README.md": "" },
    dockerfile: ["FROM node:20-alpine AS base", "FROM base AS api", "WORKDIR /app", "COPY packages/api/package.json packages/api/", "RUN cd packages/api && npm ci", "COPY packages/api/ packages/api/", "WORKDIR /app/packages/api", "RUN npm run build", 'CMD ["node", "dist/server.js"]', "FROM base AS web", "RUN false"],
    args: ["--target", "api"], says: "api\npackages", config: { WorkingDir: "/app/packages/api" },
  },
  "an archive unpacked over the root, a supervisor": {
    prepare: (folder) => ok("sh", ["-c", `mkdir -p ${folder}/rootfs/etc/services.d/web && printf '#!/bin/sh\\necho supervised $PORT\\n' > ${folder}/rootfs/init && chmod 755 ${folder}/rootfs/init && tar -C ${folder}/rootfs -czf ${folder}/overlay.tar.gz . && rm -r ${folder}/rootfs`]),
    dockerfile: ["FROM debian:bookworm-slim", "ADD overlay.tar.gz /", "ENV PORT=8080", "EXPOSE $PORT/tcp ${PORT}/udp", "ENTRYPOINT exec tini -- /init"],
    says: "supervised 8080", has: ["ls /etc/services.d; ls -d /bin/busybox /rootfs 2>/dev/null || true", "web\n/bin/busybox"], config: { Entrypoint: ["/bin/sh", "-c", "exec tini -- /init"], ExposedPorts: { "8080/tcp": {}, "8080/udp": {} } },
  },
  "package caches that stay between builds": {
    files: NODE,
    dockerfile: ["# syntax=docker/dockerfile:1", "FROM node:20-alpine", "WORKDIR /app", "RUN --mount=type=bind,source=package.json,target=package.json --mount=type=cache,target=/root/.npm npm ci --prefer-offline", "COPY src src", "RUN npm run build", "CMD [\"sh\", \"-c\", \"ls -A /root /app; ls node_modules\"]"],
    // Of the places that were made for mounts nothing stays.
    says: "/app:\ndist\nnode_modules\nsrc\n\n/root:\ndep-dev\ndep-web", config: { WorkingDir: "/app" },
  },
  "a tool by its entrypoint, its arguments the command's": {
    files: { terraform: { text: '#!/bin/sh\necho "terraform $*"\n', mode: 0o755 } },
    dockerfile: ["#escape=`", "FROM alpine:3.19", "LABEL maintainer=\"tools@example.org\" `", "      vendor='A \"quoted\" one'", "COPY terraform /bin/", 'ENTRYPOINT ["/bin/terraform"]', 'CMD ["--help"]'],
    command: ["plan", "-out", "x y"], says: "terraform plan -out x y", config: { Labels: { maintainer: "tools@example.org", vendor: 'A "quoted" one' } },
  },
};

for (const [name, shape] of Object.entries(SHAPES)) {
  it(name, async () => {
    const named = shape.named ?? "Dockerfile", folder = makeContext(bed.folder, { ...shape.files, [named]: `${shape.dockerfile.join("\n")}\n` });
    await shape.prepare?.(folder);
    await build("shape", folder, "-f", `${folder}/${named}`, ...(shape.args ?? []));
    expect((await daemon.inspect("shape", "image")).Config).toMatchObject(shape.config);
    const { options = [], command = [] } = shape;
    if (shape.says !== undefined) expect(await daemon.dockerOk("run", "--rm", "--network=none", ...options, "shape", ...command)).toBe(shape.says);
    if (shape.serves !== undefined) expect(await page("shape")).toBe(shape.serves);
    if (shape.has !== undefined) expect(await daemon.dockerOk("run", "--rm", "--network=none", "--entrypoint", "sh", "shape", "-c", shape.has[0])).toBe(shape.has[1]);
  });
}

async function build(tag: string, folder: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(["build", "-t", tag, ...args, folder], { env: { DOCKER_BUILDKIT: "0" } });
  if (code !== 0) throw new Error(`docker build: ${stderr}\n${stdout}`);
  return stdout;
}
async function page(image: string): Promise<string> {
  const id = await daemon.dockerOk("run", "-d", image);
  return bed.netns.fetch(`http://${await daemon.dockerOk("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", id)}/`);
}

it("an image whose triggers do the work, and one of a single line on it", async () => {
  await build("python:onbuild", makeContext(bed.folder, { Dockerfile: "FROM python:3.12\nWORKDIR /usr/src/app\nONBUILD COPY requirements.txt ./\nONBUILD RUN pip install -r requirements.txt\nONBUILD COPY . .\nONBUILD ENV READY=yes\nCMD [\"python\", \"main.py\"]\n" }));
  expect((await daemon.inspect("python:onbuild", "image")).Config.OnBuild).toHaveLength(4);
  const said = await build("shape", makeContext(bed.folder, { "requirements.txt": "dep-x==1\n", "main.py": "echo $READY; ls; ls /usr/local/lib/site-packages\n", Dockerfile: "FROM python:onbuild\n" }));
  expect(said).toContain("# Executing 4 build triggers");
  expect((await daemon.inspect("shape", "image")).Config.OnBuild).toBeNull();
  expect(await daemon.dockerOk("run", "--rm", "shape")).toBe("yes\nDockerfile\nmain.py\nrequirements.txt\ndep-x");
});

it("a service with a health check, which becomes healthy", async () => {
  await build("shape", makeContext(bed.folder, { Dockerfile: "FROM nginx:1.25-alpine\nHEALTHCHECK --interval=200ms --timeout=30s --start-period=1s --retries=3 \\\n  CMD wget -q -O /dev/null http://127.0.0.1/ || exit 1\nEXPOSE 80\nCMD [\"nginx\"]\n" }));
  expect((await daemon.inspect("shape", "image")).Config.Healthcheck).toEqual({ Test: ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1/ || exit 1"], Interval: 200e6, Timeout: 30e9, StartPeriod: 1e9, Retries: 3 });
  const id = await daemon.dockerOk("run", "-d", "shape");
  await until(async () => (await daemon.inspect(id)).State.Health.Status === "healthy" || undefined, 60_000, "health");
});

it("one file for development, test and production: what is wanted is built, and nothing else", async () => {
  const folder = makeContext(bed.folder, { ...NODE, Dockerfile: [
    "FROM node:20-alpine AS base", "WORKDIR /app", "COPY package.json .", "RUN npm ci", "FROM base AS dev", 'CMD ["echo", "dev"]', "FROM base AS test", "COPY src src", 'RUN [ -n "$FAIL" ] && exit 9 || true', "ARG FAIL", 'RUN [ -z "$FAIL" ]', 'CMD ["echo", "test"]',
    "FROM base AS prod", "RUN npm prune", 'CMD ["echo", "prod"]', "",
  ].join("\n") });
  for (const target of ["dev", "test", "prod"]) {
    const said = await build("shape", folder, "--target", target);
    expect(said).toContain(`FROM base AS ${target}`);
    expect(said.match(/FROM base AS/g)).toHaveLength(1);
    expect(await daemon.dockerOk("run", "--rm", "--network=none", "shape")).toBe(target);
  }
  const { code } = await daemon.docker(["build", "--force-rm", "--target", "test", "--build-arg", "FAIL=1", folder], { env: { DOCKER_BUILDKIT: "0" } });
  expect(code).toBe(1);
  await build("shape", folder);
  expect(await daemon.dockerOk("run", "--rm", "--network=none", "shape")).toBe("prod");
});

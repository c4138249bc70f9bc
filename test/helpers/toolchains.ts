import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Interpreters run what is a shell script by its content; the tools make the files that their namesakes are known for. */
const programs: Readonly<Record<string, string>> = {
  ...Object.fromEntries(["node", "python", "python3", "ruby", "php"].map((name) => [name, 'exec sh "$@"'])),
  npm: `case "$1" in
    ci|install) mkdir -p node_modules/.bin; for dep in $(grep -o 'dep-[a-z]*' package.json); do mkdir -p node_modules/$dep; done; mkdir -p /root/.npm; echo "$*" >> /root/.npm/log;;
    run) [ -d node_modules ] || exit 3; mkdir -p dist; cat src/* > dist/server.js;;
    prune) rm -rf node_modules/dep-dev;;
    *) exit 4;;
  esac`,
  go: `case "$1" in
    mod) [ -f go.mod ] || exit 3; mkdir -p /go/pkg/mod/cache;;
    build) [ -d /go/pkg/mod/cache ] || exit 3; while [ "$1" != -o ]; do shift; done; case "$2" in */*) mkdir -p "\${2%/*}";; esac; cp /bin/busybox "$2";;
    *) exit 4;;
  esac`,
  pip: `while [ $# -gt 0 ]; do case "$1" in -r) shift; list=$1;; --prefix=*) to=\${1#--prefix=};; esac; shift; done
    [ -f "$list" ] || exit 3; for dep in $(cut -d= -f1 "$list"); do mkdir -p \${to:-\${VIRTUAL_ENV:-/usr/local}}/lib/site-packages/$dep; done`,
  mvn: '[ -f pom.xml ] || exit 3; case "$*" in *dependency:go-offline*) mkdir -p /root/.m2;; *package*) mkdir -p target; cat src/main/* > target/app.jar;; *) exit 4;; esac',
  java: 'while [ $# -gt 0 ]; do case "$1" in -jar) shift; exec sh "$@";; -D*) export OPTS="$OPTS $1";; *) exec sh "$1.class";; esac; shift; done',
  bundle: 'case "$1" in config) echo "$*" >> /usr/local/bundle-config;; install) [ -f Gemfile.lock ] || exit 3; mkdir -p vendor/bundle;; exec) shift; exec "$@";; esac',
  rake: '[ "$1" = assets:precompile ] && [ -n "$SECRET_KEY_BASE" ] || exit 3; mkdir -p public/assets; echo compiled > public/assets/app.js',
  cargo: '[ "$1 $2" = "build --release" ] || exit 4; mkdir -p target/release/deps; touch target/release/deps/lib; { echo "#!/bin/sh"; cat src/main.rs; } > target/release/app; chmod +x target/release/app',
  "apt-get": 'case "$*" in *update*) mkdir -p /var/lib/apt/lists; echo x > /var/lib/apt/lists/x;; *install*) [ -f /var/lib/apt/lists/x ] || exit 100; for name in "$@"; do case $name in install|-*) ;; *) echo "$name" >> /etc/installed;; esac; done;; esac',
  apk: 'for name in "$@"; do case $name in add|-*) ;; *) echo "$name" >> /etc/installed;; esac; done',
  "docker-php-ext-install": 'for name in "$@"; do echo "extension=$name" >> /usr/local/etc/php.ini; done',
  composer: '[ -f composer.json ] || exit 3; mkdir -p vendor; echo loaded > vendor/autoload.php',
  dotnet: 'case "$1" in restore) [ -f "$2" ] || exit 3; mkdir -p /root/.nuget;; publish) while [ "$1" != -o ]; do shift; done; mkdir -p "$2"; cat *.cs > "$2/app.dll";; *) exec sh "$1";; esac',
  nginx: 'exec httpd -f -p 80 -h /usr/share/nginx/html',
  addgroup: 'while [ $# -gt 1 ]; do [ "$1" = -g ] && { gid=$2; shift; }; shift; done; echo "$1:x:${gid:-1500}:" >> /etc/group',
  adduser: 'while [ $# -gt 1 ]; do case "$1" in -u) uid=$2; shift;; -G) group=$2; shift;; esac; shift; done; echo "$1:x:${uid:-1500}:${uid:-1500}::/home/$1:/bin/sh" >> /etc/passwd; mkdir -p /home/$1',
  "su-exec": 'user=$1; shift; echo "as $user"; exec "$@"',
  tini: '[ "$1" = -- ] && shift; exec "$@"',
};

/** Puts stand-ins for language tools and distributions' programs into a tree of busybox: they do in files what Dockerfiles expect of them. */
export function addToolchains(tree: string): void {
  const put = (path: string, text: string, mode: number): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
    chmodSync(join(tree, path), mode);
  };
  for (const [name, body] of Object.entries(programs)) put(`usr/local/bin/${name}`, `#!/bin/sh\n${body}\n`, 0o755);
  put("usr/share/nginx/html/index.html", "<p>welcome</p>\n", 0o644);
  put("etc/nginx/nginx.conf", "worker_processes auto;\n", 0o644);
  put("usr/local/etc/php.ini", "", 0o644);
}

import eslint from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  { ignores: ["**/dist/**", "**/generated/**", "**/node_modules/**"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  eslint.configs.recommended,
  {
    rules: {
      eqeqeq: "error",
      "no-constant-condition": ["error", { checkLoops: false }],
      "no-constructor-return": "error",
      "no-promise-executor-return": "off",
      "no-self-compare": "error",
      "no-template-curly-in-string": "error",
      "no-unreachable-loop": ["error", { ignore: ["ForOfStatement"] }],
      "no-var": "error",
      "prefer-const": "error",
      "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx"], location: "anywhere" }],
    },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "no-unused-vars": "off",
      "no-undef": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrorsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports", disallowTypeAnnotations: false }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // A number or a boolean in a message is what is meant.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // `() => done()` and `void`-returning arrows are the house's style.
      "@typescript-eslint/no-confusing-void-expression": "off",
      // The compiler checks indexed access (noUncheckedIndexedAccess); `!` is for what the code around proves.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Values from JSON, SQL and the kernel are checked at run time even where the type says more.
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/no-extraneous-class": "off",
      // An interface's Promise stands although this implementation has nothing to wait for.
      "@typescript-eslint/require-await": "off",
      // `newId<ContainerId>()` names the brand.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "@typescript-eslint/no-dynamic-delete": "off",
      "@typescript-eslint/prefer-promise-reject-errors": ["error", { allowThrowingUnknown: true }],
      "@typescript-eslint/use-unknown-in-catch-callback-variable": "off",
      "@typescript-eslint/no-unnecessary-type-assertion": "off",
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
      // A worker thread reads the umask; it cannot set it.
      "@typescript-eslint/no-deprecated": ["error", { allow: [{ from: "package", package: "node", name: "umask" }] }],
      // Generators have no arrow form.
      "@typescript-eslint/no-this-alias": "off",
    },
  },
  {
    // What the kernel hands back through FFI is typed `any` by koffi.
    files: ["packages/daemon/src/kernel/libc*.ts"],
    rules: { "@typescript-eslint/no-unsafe-argument": "off", "@typescript-eslint/no-unsafe-assignment": "off", "@typescript-eslint/no-unsafe-return": "off" },
  },
  {
    files: ["**/*.mjs", "**/*.cjs", "packages/*/bin/*.js"],
    languageOptions: { globals: Object.fromEntries(["process", "console", "Buffer", "URL", "URLSearchParams", "performance", "setTimeout", "clearTimeout", "setInterval", "clearInterval", "fetch", "require", "module", "AbortController"].map((name) => [name, "readonly"])) },
  },
  {
    files: ["**/*.test.ts", "**/testing/**/*.ts", "**/testing.ts", "test/**/*.ts"],
    rules: {
      "no-template-curly-in-string": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
);

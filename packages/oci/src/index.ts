export * from "./brand.js";
export * from "./digest.js";
export * from "./dockerignore.js";
export * from "./glob.js";
export * from "./manifest.js";
export * from "./platform.js";
export * from "./reference.js";
export * from "./whiteout.js";

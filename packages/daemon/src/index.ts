export * from "./core/index.js";
export * from "./services/types.js";

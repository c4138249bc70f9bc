// Tests run as they were compiled: `tsc -b` first, then jest over dist/.
const only = process.env.STRATA_TEST_SCOPE;
module.exports = {
  testEnvironment: "node",
  roots: (only ? only.split(",") : ["packages/oci", "packages/daemon", "packages/client", "packages/cli", "test"]).map((p) => `<rootDir>/${p}/dist`),
  testMatch: ["**/*.test.js"],
  transform: {},
  testTimeout: 60_000,
  maxWorkers: 2,
};

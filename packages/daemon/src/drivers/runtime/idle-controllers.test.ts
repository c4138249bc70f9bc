import { findIdleControllers } from "./idle-controllers.js";

const hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
const files = (controllers: string, handedDown: string) => (path: string) => ({ "/sys/fs/cgroup/unified/cgroup.controllers": controllers, "/sys/fs/cgroup/unified/cgroup.subtree_control": handedDown })[path]!;

describe("controllers on the v2 side of a hybrid layout", () => {
  test("that nobody uses", () => expect(findIdleControllers(hybrid, files("hugetlb misc\n", "\n"))).toEqual({ directory: "/sys/fs/cgroup", names: ["hugetlb", "misc"] }));
  test("none there", () => expect(findIdleControllers(hybrid, files("\n", "\n"))).toBeNull());
  test("one in use", () => expect(findIdleControllers(hybrid, files("hugetlb\n", "hugetlb\n"))).toBeNull());
  test("other layouts are left alone", () => {
    expect(findIdleControllers("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", () => "cpu memory")).toBeNull();
    expect(findIdleControllers("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", () => "")).toBeNull();
  });
});

import { InvalidArgument } from "../core/index.js";
import type { GcService } from "../services/gc/types.js";
import { created, empty, ok, type Routes } from "./context.js";
import { encodePlan, encodeRun } from "./encode/gc.js";

type GcRoutes = Pick<Routes, Extract<keyof Routes, `gc${string}`> | "imagePin" | "imageUnpin">;

export function gcRoutes(gc: GcService): GcRoutes {
  const inForce = (): { source: "file" | "api" } & Record<string, unknown> => {
    const { source, given } = gc.policies();
    return { ...given, source };
  };
  return {
    gcPolicies: () => ok(inForce()),
    gcPoliciesSet({ body }) {
      gc.setPolicies(body);
      return ok(inForce());
    },
    gcPoliciesReset() {
      gc.resetPolicies();
      return ok(inForce());
    },
    gcPlanCreate: async ({ body }) => created(encodePlan(await gc.plan(body.Policy === undefined || body.Policy === "" ? {} : { policy: body.Policy }))),
    gcPlanInspect: ({ path }) => ok(encodePlan(gc.inspectPlan(path.id))),
    async gcRunCreate({ body }) {
      if (body.Plan === "") throw new InvalidArgument("Plan is empty");
      return created(encodeRun(await gc.run(body.Plan)));
    },
    gcRunList: () => ok(gc.runs().map(encodeRun)),
    gcRunInspect: ({ path }) => ok(encodeRun(gc.inspectRun(path.id))),
    gcRunUndo: async ({ path }) => ok((await gc.undo(path.id)).map(({ id, names, left }) => ({ Id: id, Names: [...names], Left: [...left] }))),
    gcPins: () => ok(gc.pins()),
    imagePin({ path }) {
      gc.pin(path.name);
      return empty(204);
    },
    imageUnpin({ path }) {
      gc.unpin(path.name);
      return empty(204);
    },
  };
}

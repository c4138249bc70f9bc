import type { paths } from "./generated/openapi.js";

export type Method = "get" | "head" | "post" | "put" | "delete";
export type Path = keyof paths;
/** The methods that the contract has for a path. */
export type MethodOf<P extends Path> = { [M in Method]: paths[P] extends Record<M, infer O> ? (O extends undefined ? never : M) : never }[Method];
export type Operation<P extends Path, M extends MethodOf<P>> = NonNullable<paths[P][M & keyof paths[P]]>;

/** What an operation answers as JSON when it goes well; `undefined` when it has no JSON. */
export type Answer<O> = O extends { responses: infer R } ? JsonOf<R extends Record<200, infer A> ? A : R extends Record<201, infer A> ? A : never> : never;
type JsonOf<A> = A extends { content: { "application/json": infer B } } ? B : undefined;

/** Its query parameters. */
export type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? Exclude<Q, undefined> : never;
/** Its path parameters. */
export type PathOf<O> = O extends { parameters: { path: infer Q } } ? Q : undefined;
/** Its JSON body. */
export type BodyOf<O> = O extends { requestBody?: infer R } ? (Exclude<R, undefined> extends { content: { "application/json": infer B } } ? B : undefined) : undefined;

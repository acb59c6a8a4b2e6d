export * from "./address.ts";
export * from "./errors.ts";
export * from "./hypercall/index.ts";
export * from "./linux-errno.ts";
export * from "./profile.ts";
export * from "./rm/index.ts";
export type { Codec, Struct, Tagged, ValueOf } from "./schema/index.ts";
export * as schema from "./schema/index.ts";
export * from "./uapi/index.ts";

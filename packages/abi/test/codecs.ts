import * as abi from "../src/index.ts";

/** Every structure that the package exports, and every message, by name. */
export function allCodecs(): [name: string, codec: abi.Struct<Record<string, unknown>>][] {
  const out = new Map<string, abi.Struct<Record<string, unknown>>>();
  const add = (name: string, codec: unknown) => out.set(name, codec as abi.Struct<Record<string, unknown>>);
  for (const [name, value] of Object.entries(abi))
    if (typeof value === "object" && value !== null && "decode" in value && "fields" in value) add(name, value);
  for (const [name, call] of Object.entries(abi.RmCalls)) {
    add(`${name} request`, call.request);
    add(`${name} reply`, call.reply);
  }
  for (const [name, notification] of Object.entries(abi.RmNotifications)) add(name, notification.payload);
  return [...out];
}

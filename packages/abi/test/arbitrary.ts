import fc from "fast-check";
import type { schema } from "../src/index.ts";

type AnyField = schema.Field;

/** Any value that a list of fields can carry, made from the same table that encodes it. */
export function anyValue(fields: readonly AnyField[]): fc.Arbitrary<Record<string, unknown>> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  const optional: string[] = [];
  for (const field of fields) {
    if (field.hidden) continue;
    model[field.name] = arbitrary(field);
    if (field.optional) optional.push(field.name);
  }
  return fc.record(model, { requiredKeys: Object.keys(model).filter((key) => !optional.includes(key)) });
}

function arbitrary(field: AnyField): fc.Arbitrary<unknown> {
  const element = field.element ?? [];
  switch (field.kind) {
    case "u8":
      return fc.nat(0xff);
    case "u16":
      return fc.nat(0xffff);
    case "u32":
      return fc.nat(0xffff_ffff);
    case "s32":
      return fc.integer();
    case "u64":
      return fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
    case "bytes":
      return fc.uint8Array({ minLength: field.fixedSize ?? 0, maxLength: field.fixedSize ?? 0 });
    case "tail":
    case "counted":
      return fc.uint8Array({ maxLength: Math.min(field.max ?? 64, 64) });
    case "list":
      return fc.array(anyValue(element), { maxLength: 6 });
    case "tagged":
      return fc.record({ tag: fc.nat(0xffff), entries: fc.array(anyValue(element), { maxLength: 6 }) });
    case "numbers": {
      const only = element[0];
      if (only === undefined) throw new Error(`${field.name} has no element`);
      return fc.array(arbitrary(only), { maxLength: 6 });
    }
    case "struct":
      return anyValue(element);
    default:
      throw new Error(`no arbitrary for a field of kind ${field.kind}`);
  }
}

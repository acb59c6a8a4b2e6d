export { bytes, Cursor, counted, type Field, optional, pad, s32, tail, u8, u16, u32, u64 } from "./field.ts";
export {
  type Codec,
  type ListOptions,
  list,
  listOf,
  nested,
  type Struct,
  struct,
  type Tagged,
  taggedList,
  type ValueOf,
} from "./struct.ts";

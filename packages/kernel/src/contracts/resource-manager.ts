import { token } from "../token.ts";
import type { NativeProgram } from "./native-vcpu.ts";

/** The root VM's program. Everything that it does goes through its vCPU; this contract only loads it. */
export interface ResourceManager {
  readonly program: NativeProgram;
}
export const ResourceManager = token<ResourceManager>("contract/ResourceManager");

export { Ioeventfd } from "./ioeventfd.ts";
export { ioeventfd } from "./plugin.ts";

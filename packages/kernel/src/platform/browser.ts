/** A browser has no project to load from: plugins are given as objects there, and the configuration as data. */
import { ModelError } from "../errors.ts";
import type { Platform } from "./platform.ts";

function refuse(what: string): never {
  throw new ModelError(
    "KERNEL_PLATFORM",
    `${what} needs a file system; in a browser pass plugins and configuration as objects`,
  );
}

export const platform: Platform = {
  projectRoot: () => "",
  readPackage: async (name) => refuse(`loading the plugin ${name} by name`),
  importPackage: async (name) => refuse(`loading the package ${name} by name`),
  findConfig: async (path) => refuse(`reading ${path}`),
  importConfig: async (path) => refuse(`reading ${path}`),
  directoryOf: (path) => path,
};

/** What the kernel needs of the platform that it runs on; the implementation is chosen by package `imports` (#platform). */
export interface Platform {
  /** Directory or URL of the current project, when nothing else is said. */
  projectRoot(): string;
  /** Content of the nearest package.json of package `name`, resolved from `root`; undefined when it is not installed. */
  readPackage(name: string, root: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Import a package from `root`. */
  importPackage(name: string, root: string): Promise<Readonly<Record<string, unknown>>>;
  /** Path of the configuration below `path` (a file or a directory), or undefined. */
  findConfig(path: string): Promise<string | undefined>;
  /** Default export of a .ts, .mts, .js, .mjs or .json file. */
  importConfig(path: string): Promise<unknown>;
  directoryOf(path: string): string;
}

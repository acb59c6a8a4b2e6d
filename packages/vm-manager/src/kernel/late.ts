/**
 * Stands for an object that is not there yet: each member that is used is that of the one which `find` answers, asked
 * once. So what a program has when it runs can be given to modules that are set up before.
 *
 * @param known members that are needed before
 * @param find throws while there is none
 */
export function late<T extends object>(known: Partial<T>, find: () => T): T {
  let found: T | undefined;
  const methods = new Map<PropertyKey, unknown>();
  return new Proxy(known as T, {
    get(_, name) {
      if (Object.hasOwn(known, name)) return Reflect.get(known, name);
      const method = methods.get(name);
      if (method !== undefined) return method;
      found ??= find();
      const value: unknown = Reflect.get(found, name, found);
      if (typeof value !== "function") return value;
      const bound: unknown = value.bind(found);
      methods.set(name, bound);
      return bound;
    },
  });
}

import { describe, expect } from "vitest";
import { test } from "./guest.ts";

/** What a project of yours might want to know of an arm64 Linux. */
describe("a shell script on arm64 Linux", { timeout: 60_000 }, () => {
  test("runs on aarch64", async ({ guest }) => {
    expect(await guest.sh("uname -m")).toEqual({ output: "aarch64\n", status: 0 });
  });

  test("gets the exit status of what failed", async ({ guest }) => {
    const { output, status } = await guest.sh("cat /no/such/file");
    expect(output).toContain("No such file");
    expect(status).toBe(1);
  });

  test("finds the files of the test before it: the guest is the same", async ({ guest }) => {
    await guest.sh("echo kept > /tmp/note");
    expect(await guest.sh("cat /tmp/note")).toEqual({ output: "kept\n", status: 0 });
  });
});

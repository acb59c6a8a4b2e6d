// Which way imports point (docs/architecture.md). Tests may import more, through devDependencies.
const BASE = "^packages/(abi|boot-image|devicetree|kernel)/";
const OURS = "^(packages|plugins)/";

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "base-imports-base",
      comment: "abi, boot-image, devicetree and kernel import no sibling above them.",
      severity: "error",
      from: { path: BASE },
      to: { path: OURS, pathNot: BASE },
    },
    {
      name: "layer-imports-base",
      comment:
        "A layer or plugin imports abi, boot-image, devicetree and kernel, and no other layer: layers meet at contracts.",
      severity: "error",
      from: { path: "^((?:packages|plugins)/[^/]+)/", pathNot: `${BASE}|^packages/(vmm|linux-host|cli)/` },
      to: { path: OURS, pathNot: [BASE, "^$1/"] },
    },
    {
      name: "vmm-imports-vm-manager",
      comment: "vmm also sees vm-manager's public types.",
      severity: "error",
      from: { path: "^packages/vmm/" },
      to: { path: OURS, pathNot: [BASE, "^packages/(vmm|vm-manager)/"] },
    },
    {
      name: "linux-host-imports-vmm",
      comment: "linux-host has the VMM's device models and device-tree nodes, and no other layer.",
      severity: "error",
      from: { path: "^packages/linux-host/" },
      to: { path: OURS, pathNot: [BASE, "^packages/(linux-host|vmm)/"] },
    },
    {
      name: "no-deep-import",
      comment: "Only what a package exports is seen by others.",
      severity: "error",
      from: { path: "^((?:packages|plugins)/[^/]+)/" },
      to: {
        path: "^(?:packages|plugins)/[^/]+/src/.+",
        pathNot: ["^$1/", "/src/index\\.ts$", "/src/testing/index\\.ts$"],
      },
    },
    {
      name: "no-runtime-cycle",
      comment: "Types may refer to each other; modules that run may not.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-unresolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "\\.test\\.ts$|/dist/|/testing/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["gunyah-source", "import", "default"] },
  },
};

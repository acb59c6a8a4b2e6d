import { converse } from "./two-vms.ts";

const { ends, pages } = await converse((vm, text) => console.log(`VM ${vm} heard: ${text}`));
console.log(`They ended: ${ends.join(", ")}. They had ${pages.join(" and ")} pages of 4 KiB, of 4096 each.`);

import { bootLinux } from "./boot.ts";

const { reason } = await bootLinux("uname -a", (text) => process.stdout.write(text));
console.log(`\nThe VM ended: ${reason}`);

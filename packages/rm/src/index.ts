export { RM_ERRORS, type RmErrorCode } from "./errors.ts";
export { rm } from "./plugin.ts";
export { GunyahResourceManager } from "./resource-manager.ts";

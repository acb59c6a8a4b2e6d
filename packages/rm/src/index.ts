export { RM_ERRORS, type RmErrorCode } from "./errors.ts";
export { GunyahResourceManager } from "./resource-manager.ts";

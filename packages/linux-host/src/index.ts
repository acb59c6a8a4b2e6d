export { LINUX_HOST_ERRORS, type LinuxHostErrorCode } from "./errors.ts";
export { checkHostConfig, type HostConfig } from "./host-config.ts";
export { hostEnd, LinuxHost, type LinuxHostParts, LinuxHostService } from "./linux-host.ts";
export { linuxHost } from "./plugin.ts";

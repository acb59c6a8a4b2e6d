export { type Arm64ImageHeader, isArm64Image, readArm64Header } from "./arm64-image.ts";
export { BOOT_IMAGE_ERRORS, type BootImageErrorCode } from "./errors.ts";
export { type LoadedKernel, type LoadOptions, type LoadSegment, loadKernel } from "./kernel-image.ts";
export { unpackImage } from "./unpack.ts";

/**
 * The guest's physical address map. RAM, GIC and the window for emulated devices are where crosvm's Gunyah backend
 * puts them: devices lie below 1 GiB, the range that the Resource Manager opens for trapped accesses.
 * Source: crosvm hypervisor/src/gunyah/aarch64.rs, aarch64/src/lib.rs.
 */
export const GuestLayout = {
  RAM_BASE: 0x8000_0000,
  /** End of the range whose untranslated accesses reach the VMM. */
  MMIO_END: 0x4000_0000,
  /** Redistributors end where the distributor begins. */
  GIC_DISTRIBUTOR: 0x3fff_0000,
  /** First emulated device. */
  DEVICE_BASE: 0x0900_0000,
  DEVICE_STRIDE: 0x1_0000,
  /** SPI number of the first device (INTID 36); crosvm starts there too. */
  FIRST_SPI: 4,
  /** Room for the device tree with what the Resource Manager adds; all of it is lent before the VM starts. */
  DTB_SIZE: 0x1_0000,
  /** Memory that devices and guest share, when guest memory is lent. */
  DMA_POOL_SIZE: 0x40_0000,
  MAX_CPUS: 8,
} as const;

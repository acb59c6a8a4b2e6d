import { isArm64Image, readArm64Header, unpackImage } from "@gunyah-ts/boot-image";
import { readUserFile } from "../files.ts";
import { formatBytes } from "../size.ts";
import type { Check } from "./doctor.ts";

/**
 * Strings that are in a kernel with the driver compiled in, whatever its version.
 * Source: Linux series v17, drivers/virt/gunyah/{gunyah,rsc_mgr,gunyah_vcpu,gunyah_irqfd,gunyah_ioeventfd}.c
 */
const PARTS: readonly (readonly [name: string, texts: readonly string[], mend: string, optional: boolean])[] = [
  [
    "hypervisor driver",
    ["gunyah-hypervisor"],
    "build it with CONFIG_GUNYAH=y; a module works too, once it is loaded",
    false,
  ],
  ["Resource Manager driver", ["gunyah-resource-manager"], "build it with CONFIG_GUNYAH=y", false],
  ["PL011 console", ["ttyAMA"], "build it with CONFIG_SERIAL_AMBA_PL011_CONSOLE=y, or the terminal stays empty", false],
  [
    "irqfd and ioeventfd",
    ["irqfd", "ioeventfd"],
    "build it with CONFIG_GUNYAH_IRQFD=y and CONFIG_GUNYAH_IOEVENTFD=y",
    true,
  ],
  [
    "virtio block devices",
    ["virtio_blk"],
    "build it with CONFIG_VIRTIO_BLK=y and CONFIG_VIRTIO_MMIO=y for --host-disk",
    true,
  ],
];

/** Bytes: more than any kernel file has. */
const MAX_FILE = 512 * 2 ** 20;

/** Whether a kernel image can be the host: its format, and what is compiled in. Errors: CLI_FILE, IMAGE_* */
export async function hostKernelChecks(path: string): Promise<Check[]> {
  const bytes = await unpackImage(readUserFile(path, "host's kernel", MAX_FILE));
  if (!isArm64Image(bytes))
    return [
      {
        name: "format",
        ok: false,
        found: "no arm64 Image",
        mend: "give arch/arm64/boot/Image, or one packed by gzip, zstd or EFI zboot",
      },
    ];
  const { imageSize, textOffset, pageSize } = readArm64Header(bytes);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [
    { name: "format", ok: true, found: `arm64 Image, needs ${formatBytes(imageSize)} of memory` },
    {
      name: "text offset",
      ok: textOffset === 0,
      found: `0x${textOffset.toString(16)}`,
      mend: "use Linux 5.8 or newer: this one does not start at a board's hostEntry",
    },
    { name: "pages", ok: true, found: pageSize === undefined ? "not said" : `${pageSize / 1024} KiB` },
    ...PARTS.map(([name, texts, mend, optional]) => {
      const missing = texts.filter((part) => !text.includes(part));
      const found = missing.length === 0 ? "compiled in" : `${missing.join(", ")} not found in the image`;
      return { name, ok: missing.length === 0, found, mend, optional };
    }),
  ];
}

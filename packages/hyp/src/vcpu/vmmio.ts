/**
 * The access of a vCPU that its proxy must complete: asked for at an abort, reported by vcpu_run as
 * ADDRSPACE_VMMIO_READ, _WRITE or _PAGE_FAULT, finished by the resume data of the next one.
 * Source: gunyah-hypervisor hyp/vm/vcpu_run, hyp/mem/addrspace vmmio handlers; Linux series v17, gunyah_vcpu.c for
 * resume actions
 */

import { GunyahError, VcpuResumeAction, VcpuRunState } from "@gunyah-ts/abi";
import type { Ipa, Pe } from "@gunyah-ts/kernel";
import type { RegisterWord } from "../hypercall/registers.ts";
import { injectAbort } from "../trap/inject.ts";
import { finishLoad, isDataAbort, skip, transferRegister } from "../trap/load.ts";
import { Block } from "./block.ts";
import type { RunReport, Vcpu } from "./vcpu.ts";

type AccessState =
  | typeof VcpuRunState.ADDRSPACE_VMMIO_READ
  | typeof VcpuRunState.ADDRSPACE_VMMIO_WRITE
  | typeof VcpuRunState.ADDRSPACE_PAGE_FAULT;

/** One for each vCPU, reused, so that an exit allocates nothing but its data words. */
export class Vmmio {
  readonly #vcpu: Vcpu;
  /** What stopped at the access; undefined when none is under way. */
  #pe: Pe | undefined;
  #state: AccessState = VcpuRunState.ADDRSPACE_VMMIO_READ;
  #ipa: Ipa = 0;
  #size = 0;
  #isWrite = false;
  /** Of a write, zero-extended. */
  #value = 0n;
  /** ESR_EL2 of the abort. */
  #esr = 0;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
  }

  get isPending(): boolean {
    return this.#pe !== undefined;
  }

  /** A load or store of `size` bytes in a vmmio range, with a valid syndrome. */
  ask(pe: Pe, ipa: Ipa, size: number, isWrite: boolean): void {
    this.#wait(
      pe,
      isWrite ? VcpuRunState.ADDRSPACE_VMMIO_WRITE : VcpuRunState.ADDRSPACE_VMMIO_READ,
      ipa,
      isWrite,
      Block.ADDRSPACE_VMMIO_ACCESS,
    );
    this.#size = size;
    if (!isWrite) return;
    const rt = transferRegister(pe.esr);
    this.#value = rt === 31 ? 0n : BigInt.asUintN(8 * size, pe.x[rt]!);
  }

  /** Any access to a demand-paged page that is not there. */
  askForPage(pe: Pe, ipa: Ipa, isWrite: boolean): void {
    this.#wait(pe, VcpuRunState.ADDRSPACE_PAGE_FAULT, ipa, isWrite, Block.ADDRSPACE_PAGE_FAULT);
  }

  /** What vcpu_run says about the access under way. The data words of `into` are zero. */
  report(into: RunReport): void {
    into.state = this.#state;
    into.data0 = BigInt(this.#ipa);
    if (this.#state === VcpuRunState.ADDRSPACE_PAGE_FAULT) {
      into.data1 = this.#isWrite ? 1n : 0n;
      return;
    }
    into.data1 = BigInt(this.#size);
    if (this.#isWrite) into.data2 = this.#value;
  }

  /**
   * What the proxy did about the access, if one is under way.
   * @param value what a read gets @param action `VcpuResumeAction`
   * @returns GunyahError: ARGUMENT_INVALID for an unknown action
   */
  resume(value: RegisterWord, action: number): GunyahError {
    const pe = this.#pe;
    if (pe === undefined) return GunyahError.OK;
    if (action > VcpuResumeAction.FAULT) return GunyahError.ARGUMENT_INVALID;
    if (action === VcpuResumeAction.FAULT) injectAbort(pe, isDataAbort(this.#esr));
    else if (action === VcpuResumeAction.EMULATE) this.#finish(pe, value);
    this.drop();
    this.#vcpu.clearBlock(Block.ADDRSPACE_VMMIO_ACCESS | Block.ADDRSPACE_PAGE_FAULT);
    return GunyahError.OK;
  }

  /** The vCPU will never finish it. */
  drop(): void {
    this.#pe = undefined;
  }

  #wait(pe: Pe, state: AccessState, ipa: Ipa, isWrite: boolean, block: number): void {
    this.#pe = pe;
    this.#state = state;
    this.#ipa = ipa;
    this.#isWrite = isWrite;
    this.#esr = pe.esr;
    this.#vcpu.block(block);
  }

  /** A page fault has nothing to emulate: the access is tried again. */
  #finish(pe: Pe, value: RegisterWord): void {
    if (this.#state === VcpuRunState.ADDRSPACE_PAGE_FAULT) return;
    if (!this.#isWrite) finishLoad(pe, this.#esr, this.#size, value.low, value.high);
    skip(pe);
  }
}

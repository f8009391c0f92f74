import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  childRole,
  describeRole,
  makeRole,
  ROLE_INVALID,
  roleAccess,
  roleAdDisabled,
  roleDirect,
  roleGuestMode,
  roleInvalid,
  roleLevel,
  rolePassthrough,
} from '../../src/mmu/role.ts';
import { holds } from '../support/property.ts';

const QUADRANT = 3 << 5;
const PASSTHROUGH = 1 << 18;

describe('the role word', () => {
  it('has the fields where the kernel has them', () => {
    expect(makeRole({ level: 4, direct: false, access: 0, guest_mode: false })).toBe(4);
    expect(makeRole({ level: 0, direct: true, access: 0, guest_mode: false })).toBe(0x80);
    expect(makeRole({ level: 0, direct: false, access: 7, guest_mode: false })).toBe(0x700);
    expect(makeRole({ level: 0, direct: false, access: 0, guest_mode: true })).toBe(1 << 17);
    expect(
      makeRole({
        level: 0,
        direct: false,
        access: 0,
        guest_mode: false,
        efer_nx: true,
        smep_andnot_wp: true,
        ad_disabled: true,
        smm: 1,
      }),
    ).toBe((1 << 12) | (1 << 14) | (1 << 16) | (1 << 24));
    expect(ROLE_INVALID).toBe(1 << 11);
  });

  it('gives its fields back', () => {
    const role = makeRole({ level: 3, direct: true, access: 5, guest_mode: true, ad_disabled: true });
    expect([
      roleLevel(role),
      roleDirect(role),
      roleAccess(role),
      roleGuestMode(role),
      roleAdDisabled(role),
    ]).toEqual([3, true, 5, true, true]);
    expect([
      roleInvalid(role),
      roleInvalid(role | ROLE_INVALID),
      rolePassthrough(role | PASSTHROUGH),
    ]).toEqual([false, true, true]);
  });

  it('reads as one would say it', () => {
    expect(describeRole(makeRole({ level: 2, direct: true, access: 7, guest_mode: true }))).toBe(
      'L2 direct rwx',
    );
    expect(
      describeRole(makeRole({ level: 1, direct: false, access: 4, guest_mode: true }) | ROLE_INVALID),
    ).toBe('L1 indirect r-- invalid');
  });
});

describe('kvm_mmu_child_role', () => {
  it("takes level, access and direct for itself, never invalid, passthrough or a quadrant, and the parent's rest", () => {
    const own = 0xf | 0x80 | 0x700 | ROLE_INVALID | PASSTHROUGH | QUADRANT;
    holds(
      fc.property(
        fc.integer(),
        fc.integer({ min: 2, max: 5 }),
        fc.boolean(),
        fc.nat(7),
        (bits, level, direct, access) => {
          const parent = (bits & ~0xf) | level;
          const child = childRole(parent, direct, access);
          expect([roleLevel(child), roleDirect(child), roleAccess(child)]).toEqual([
            level - 1,
            direct,
            access,
          ]);
          expect(child & (ROLE_INVALID | PASSTHROUGH | QUADRANT)).toBe(0);
          expect(child & ~own).toBe(parent & ~own);
        },
      ),
    );
  });
});

/** What the types of single fields cannot say: references between the parts of a recording. */
import type { Recording } from './recording.ts';
import type { ShadowPage, Snapshot } from './snapshots.ts';

export interface Fault {
  readonly path: string;
  readonly message: string;
}

function* pageFaults(page: ShadowPage, path: string, ids: ReadonlySet<string>): Generator<Fault> {
  let next = 0;
  for (const [k, entry] of page.entries.entries()) {
    const here = `${path}.entries[${k}]`;
    const n = entry.n ?? 1;
    if (entry.i < next)
      yield { path: `${here}.i`, message: `${entry.i} repeats an entry or is out of order` };
    next = entry.i + n;
    if (next > 512) yield { path: `${here}.n`, message: `the run ends at entry ${next - 1}, after 511` };
    if (n > 1 && entry.step === undefined) yield { path: `${here}.step`, message: 'missing in a run' };
    if (entry.t === 'table' && entry.child === undefined) yield { path: `${here}.child`, message: 'missing' };
    if (entry.child !== undefined && !ids.has(entry.child))
      yield { path: `${here}.child`, message: `there is no page ${entry.child} in this snapshot` };
  }
  for (const [k, [id]] of (page.parents ?? []).entries())
    if (!ids.has(id))
      yield { path: `${path}.parents[${k}]`, message: `there is no page ${id} in this snapshot` };
}

function* snapshotFaults(snapshot: Snapshot, path: string): Generator<Fault> {
  const ids = new Set<string>();
  for (const [k, page] of snapshot.shadow_pages.entries()) {
    if (ids.has(page.id)) yield { path: `${path}.shadow_pages[${k}].id`, message: `${page.id} occurs twice` };
    ids.add(page.id);
  }
  for (const [k, page] of snapshot.shadow_pages.entries())
    yield* pageFaults(page, `${path}.shadow_pages[${k}]`, ids);
  for (const [k, slot] of snapshot.slots.entries())
    for (const level of ['1', '2', '3'] as const)
      for (const [j, rmap] of slot.rmaps[level].entries()) {
        const here = `${path}.slots[${k}].rmaps.${level}[${j}]`;
        for (const [i, [id, index]] of rmap.list.entries()) {
          if (!ids.has(id))
            yield { path: `${here}.list[${i}]`, message: `there is no page ${id} in this snapshot` };
          if (index + rmap.n > 512)
            yield { path: `${here}.n`, message: `the run of list[${i}] ends after entry 511` };
        }
      }
}

function* operationFaults(recording: Recording): Generator<Fault> {
  const { setup, snapshots } = recording;
  const slots = new Set(setup.memslots.map(({ id }) => id));
  const roots = new Map(setup.npt12_roots.map((root) => [root.name, root]));
  const mapped = new Map<string, number>();
  let last = -1;
  for (const [k, operation] of recording.operations.entries()) {
    const here = `operations[${k}]`;
    if (operation.op <= last) yield { path: `${here}.op`, message: `${operation.op} comes after ${last}` };
    last = operation.op;
    if ('slot' in operation && !slots.has(operation.slot))
      yield { path: `${here}.slot`, message: `there is no slot ${operation.slot} in setup.memslots` };
    if ('vcpu' in operation && operation.vcpu >= setup.vcpus)
      yield { path: `${here}.vcpu`, message: `${operation.vcpu}, but setup.vcpus is ${setup.vcpus}` };
    if ('root' in operation && operation.root !== undefined && !roots.has(operation.root))
      yield { path: `${here}.root`, message: `there is no root ${operation.root} in setup.npt12_roots` };
    if ('mode' in operation && operation.mode === 'l2' && operation.root === undefined)
      yield { path: `${here}.root`, message: 'missing in an access of L2' };
    if (operation.type === 'snapshot' && !(operation.tag in snapshots))
      yield { path: `${here}.tag`, message: `there is no snapshot ${JSON.stringify(operation.tag)}` };
    if (operation.type === 'npt12_map') mapped.set(operation.root, (mapped.get(operation.root) ?? 0) + 1);
  }
  for (const [k, root] of setup.npt12_roots.entries()) {
    const maps = (mapped.get(root.name) ?? 0) + 1;
    if (root.mappings.length !== maps)
      yield {
        path: `setup.npt12_roots[${k}].mappings`,
        message: `${root.mappings.length}, but the operations make ${maps} (with L2's code page)`,
      };
  }
}

const PAGE = 4096;

function* setupFaults({ setup }: Recording): Generator<Fault> {
  const { memslots, npt12_roots: roots } = setup;
  const work = memslots.find(({ id }) => id === 0);
  if (work?.gpa !== 0)
    yield { path: 'setup.memslots', message: 'slot 0, the work area, is not there at gpa 0' };
  for (const [k, { id, gpa, size, base_gfn, npages }] of memslots.entries()) {
    const here = `setup.memslots[${k}]`;
    for (const [field, value] of Object.entries({ gpa, size }))
      if (value % PAGE !== 0)
        yield { path: `${here}.${field}`, message: `${value} is no multiple of ${PAGE}` };
    if (base_gfn !== undefined && base_gfn !== gpa / PAGE)
      yield { path: `${here}.base_gfn`, message: `${base_gfn}, but gpa is ${gpa}` };
    if (npages !== undefined && npages !== size / PAGE)
      yield { path: `${here}.npages`, message: `${npages}, but size is ${size}` };
    for (const [j, other] of memslots.slice(0, k).entries()) {
      if (other.id === id) yield { path: `${here}.id`, message: `${id} is the id of memslots[${j}] too` };
      if (gpa < other.gpa + other.size && other.gpa < gpa + size)
        yield { path: `${here}.gpa`, message: `the slot overlaps memslots[${j}]` };
    }
  }
  for (const [k, { table_gpa, mappings }] of roots.entries()) {
    const here = `setup.npt12_roots[${k}]`;
    if (table_gpa % PAGE !== 0 || table_gpa >= (work?.size ?? 0))
      yield { path: `${here}.table_gpa`, message: `${table_gpa} is no page of slot 0` };
    for (const [j, { level, l2_gpa, l1_gpa, l1_step }] of mappings.entries()) {
      const unit = PAGE * 512 ** (level - 1);
      for (const [field, value] of Object.entries({ l2_gpa, l1_gpa, l1_step }))
        if (value % unit !== 0)
          yield {
            path: `${here}.mappings[${j}].${field}`,
            message: `${value} is no multiple of ${unit} (level ${level})`,
          };
    }
  }
}

/** In the order in which they stand in the file. */
export function* integrityFaults(recording: Recording): Generator<Fault> {
  yield* setupFaults(recording);
  yield* operationFaults(recording);
  for (const [tag, snapshot] of Object.entries(recording.snapshots)) {
    yield* snapshotFaults(snapshot, `snapshots.${tag}`);
    if (!(tag in recording.stats)) yield { path: `stats.${tag}`, message: 'missing' };
  }
}

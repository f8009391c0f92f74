import { defineExperiment, measured, open, type Given } from '../define.ts';

const LAYOUTS: readonly { readonly name: string; readonly scenario: string; readonly parameters?: Given }[] =
  [
    { name: '2M pages, one mapping', scenario: 'two-roots', parameters: { vcpus: 1 } },
    { name: '1G pages, one mapping', scenario: 'nested-migration' },
    { name: '2M pages, two aliases', scenario: 'alias-same-access' },
    { name: '2M pages, four roles', scenario: 'alias-mixed-access' },
    { name: '1G pages, one alias split by NX', scenario: 'nx-partial-reuse' },
    { name: '1G pages, logging off and on', scenario: 'log-cycle' },
  ];

/** C7: flushes that could be put off are rare. */
export default defineExperiment({
  id: 'C7',
  claim: 'Putting the flush off gains little, as the splits that need one are rare.',
  facts: ['9.2', 'H-G'],
  control: { variant: 'p2', figure: '1G pages, one mapping' },
  async run(lab) {
    const figures: Record<string, number> = {};
    for (const { name, scenario, parameters = {} } of LAYOUTS) {
      // D24 counts flushes against the profile, and a control changes them.
      const search = await lab.explore({ scenario, parameters, without: ['D24'], schedules: 60 });
      const { splitOk, flushSplit } = search.counters;
      if (search.failure !== undefined)
        return open(`${scenario} fails, so that there is nothing to count.`, { witnesses: [search.failure] });
      figures[name] = splitOk === 0 ? 0 : flushSplit / splitOk;
    }
    return measured(
      'Flushes per split under P1. With 2 MiB pages there are none, whatever the aliases: a child of 4 KiB entries holds no tables. ' +
        'They are common only with 1 GiB pages of which an alias was split by NX, or after logging was off (H-G).',
      { figures },
    );
  },
});
